package schemas

func campaignContacts() Table {
	return Table{
		Name: "campaign_contacts", Version: 1, Comment: "One row a campaign, contact and metric", OrderBy: "campaign_id, metric, contact",
		Columns: []Column{
			projectColumn(),
			req(Int, "campaign_id", "the question", "campaign"),
			holding(Email, req(Text, "contact", "contact", "email")),
			req(Enum, "metric", "key of metrics", "sent, delivered, opened, click, unsubscribe, spam, and new ones as they come"),
			req(Int, "emails", "its value", "emails in that state; only > 0"),
		},
	}
}
