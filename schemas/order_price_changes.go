package schemas

func orderPriceChanges() Table {
	return events("order_price_changes", "One row a change of an order's price",
		null(Text, "order_id", "order_id", "order's id"),
		null(Text, "order_title", "order_title", "order's name"),
		null(Money, "price", "price", "new price"),
		null(Text, "formatted_price", "formattedPrice", "new price with currency"),
	)
}
