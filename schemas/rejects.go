package schemas

func rejects() Table {
	return Table{
		Name: "rejects", Version: 1, Comment: "What could not be used, and why", OrderBy: "source, reason, ordinal",
		Columns: []Column{
			projectColumn(),
			req(Enum, "source", "–", "clients, feed, campaign, import"),
			null(Int, "client_id", "–", "where known"),
			req(Int, "ordinal", "–", "place in its answer, from 0"),
			null(Enum, "type", "type", "item's type"),
			null(Enum, "field", "–", "API name of the field at fault; null: the whole item"),
			req(Enum, "reason", "–", "why"),
			null(Text, "raw", "the whole item", "JSON, at most 64 KiB"),
		},
	}
}
