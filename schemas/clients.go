package schemas

func clients() Table {
	return Table{
		Name: "clients", Version: 1, Comment: "One row a client", OrderBy: "client_id",
		Columns: []Column{
			projectColumn(),
			req(Int, "client_id", "id", "Roistat's id"),
			null(Text, "external_id", "external_id", "id in the CRM"),
			null(Text, "name", "name", "name"),
			holding(Phone, null(Text, "phone", "phone", "phone")),
			holding(Email, null(Text, "email", "email", "email")),
			null(Text, "company", "company", "company"),
			null(Date, "birth_date", "birth_date", "birthday"),
			null(Text, "comment", "comment", "comment"),
			null(Text, "client_url", "client_url", "card in the CRM"),
			null(Time, "first_visit_date", "first_visit_date", "first visit, by Roistat"),
			null(Time, "first_order_date", "first_order_date", "first order, by Roistat"),
			null(Time, "last_order_date", "last_order_date", "last order, by Roistat"),
			null(Int, "order_count", "order_count", "orders, by Roistat"),
			null(Money, "revenue", "revenue", "revenue, by Roistat"),
			null(Money, "profit", "profit", "profit, by Roistat"),
			null(Enum, "first_visit_marker", "first_visit_marker", "source of the first visit: code"),
			null(Enum, "first_visit_marker_alias", "first_visit_marker_alias", "source of the first visit: title"),
			null(Enum, "first_visit_marker_icon", "first_visit_marker_icon", "source of the first visit: icon"),
			null(Enum, "first_visit_marker_alias_level_1", "first_visit_marker_alias_level_1", "source of the first visit: top level"),
			req(Time, "first_seen_at", "mirror", "first listed to us"),
			null(Time, "gone_at", "mirror", "left the list"),
			null(Time, "feed_fetched_at", "mirror", "feed last read; null: never read, so silence means nothing"),
			extraColumn(),
		},
	}
}
