package schemas

func orders() Table {
	return events("orders", "One row an order, with the visits of its client that led to it",
		req(Text, "order_id", "id", "order's id"),
		null(Text, "name", "name", "order's name"),
		null(Enum, "status", "status", "status in Roistat"),
		null(Enum, "status_type", "statusType", "status group: unused, progress, paid, canceled"),
		null(Enum, "status_title", "statusTitle", "status: title"),
		null(Money, "revenue", "revenue", "revenue"),
		null(Money, "cost", "cost", "cost"),
		null(Text, "formatted_revenue", "formattedRevenue", "revenue with currency"),
		null(Text, "formatted_cost", "formattedCost", "cost with currency"),
		null(Time, "updated_at", "updateDate", "last update"),
		req(Map, "fields", "fields", "additional fields; keys sorted"),
		req(Int, "visits_before", "computed", "visits of this client up to the order"),
		null(Text, "first_visit_id", "computed", "first of those visits"),
		null(Text, "last_visit_id", "computed", "last of those visits"),
		null(Time, "first_visit_at", "computed", "time of the first visit"),
		null(Time, "last_visit_at", "computed", "time of the last visit"),
		null(Enum, "first_source_id", "computed", "source of the first visit: marker"),
		null(Enum, "first_source_title", "computed", "source of the first visit: title"),
		null(Enum, "last_source_id", "computed", "source of the last visit: marker"),
		null(Enum, "last_source_title", "computed", "source of the last visit: title"),
	)
}
