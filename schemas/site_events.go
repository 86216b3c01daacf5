package schemas

func siteEvents() Table {
	return events("site_events", "One row an event on the site",
		null(Enum, "meta_id", "metaId", "kind of event"),
		null(Enum, "name", "name", "kind of event: name"),
	)
}
