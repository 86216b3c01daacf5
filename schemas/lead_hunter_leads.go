package schemas

func leadHunterLeads() Table {
	return events("lead_hunter_leads", "One row a lead caught by the Lead Hunter",
		null(Text, "page", "page", "page the lead was caught on"),
		null(Text, "name", "name", "lead's name"),
		holding(Phone, null(Text, "phone", "field", "phone entered")),
		null(Enum, "status", "status", "1 sent, 0 not sent"),
		null(Bool, "is_sent", "status", "status 1 true, 0 false, else null"),
	)
}
