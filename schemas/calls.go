package schemas

func calls() Table {
	return events("calls", "One row a telephone call",
		holding(Phone, null(Enum, "callee", "callee", "number called")),
		holding(Phone, null(Text, "caller", "caller", "number calling")),
		null(Int, "duration_seconds", "duration", "duration in seconds"),
		null(Enum, "status", "status", "ANSWER, BUSY, NOANSWER and other outcomes"),
		null(Text, "file_url", "file_url", "recording"),
	)
}
