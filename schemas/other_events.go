package schemas

// otherEvents has no extra: raw holds the whole item.
func otherEvents() Table {
	return Table{
		Name: "other_events", Version: 1, Comment: "One row an event of a type that has no table yet", Partition: Monthly,
		OrderBy: "toDate(occurred_at), client_id, event_id",
		Columns: append(eventColumns(),
			req(Enum, "type", "type", "type, by the API"),
			null(Text, "raw", "the whole item", "the whole item, JSON as received"),
		),
	}
}
