package schemas

func orderStatusChanges() Table {
	return events("order_status_changes", "One row a change of an order's status",
		null(Text, "order_id", "order_id", "order's id"),
		null(Text, "order_title", "order_title", "order's name"),
		null(Enum, "status", "status", "new status in Roistat"),
		null(Enum, "status_type", "statusType", "new status group: unused, progress, paid, canceled"),
		null(Enum, "status_title", "statusTitle", "new status: title"),
	)
}
