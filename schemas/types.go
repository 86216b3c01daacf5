package schemas

// TableOf names the event table that feed items of the API's type go to;
// other_events takes all types that have none.
func TableOf(apiType string) ID {
	switch apiType {
	case "visit":
		return Visits
	case "order":
		return Orders
	case "event":
		return SiteEvents
	case "lead_hunter_appearance":
		return LeadHunterAppearances
	case "lead_hunter_caught":
		return LeadHunterLeads
	case "orderStatusChange":
		return OrderStatusChanges
	case "orderCostChange":
		return OrderCostChanges
	case "orderPriceChange":
		return OrderPriceChanges
	case "call":
		return Calls
	default:
		return OtherEvents
	}
}
