package schemas

func visits() Table {
	return events("visits", "One row a visit to the site",
		req(Text, "visit_id", "visitId", "visit number"),
		null(Enum, "source_id", "sourceId", "source: marker"),
		null(Enum, "source_title", "sourceTitle", "source: title"),
		null(Enum, "source_icon", "sourceIcon", "source: icon"),
		null(Enum, "device_os", "device.os", "operating system"),
		null(Enum, "device_os_icon", "device.os_icon", "operating system: icon"),
		null(Enum, "device_agent", "device.agent", "browser"),
		null(Enum, "device_agent_icon", "device.agent_icon", "browser: icon"),
		null(Bool, "is_mobile", "device.is_mobile", "the device is mobile"),
	)
}
