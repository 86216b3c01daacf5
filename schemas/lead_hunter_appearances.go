package schemas

func leadHunterAppearances() Table {
	return events("lead_hunter_appearances", "One row an appearance of the Lead Hunter",
		null(Text, "page", "page", "page it was shown on"),
	)
}
