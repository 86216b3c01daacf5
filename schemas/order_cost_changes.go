package schemas

func orderCostChanges() Table {
	return events("order_cost_changes", "One row a change of an order's cost",
		null(Text, "order_id", "order_id", "order's id"),
		null(Text, "order_title", "order_title", "order's name"),
		null(Money, "cost", "cost", "new cost"),
		null(Text, "formatted_cost", "formattedCost", "new cost with currency"),
	)
}
