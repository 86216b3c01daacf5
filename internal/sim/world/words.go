package world

// named is a code with its title and the file name of its icon.
type named struct{ id, title, icon string }

// The vocabulary of the world. These tables are never written to.
var (
	sources = []named{
		{"instagram_stories", "instagram → stories", "instagram.png"},
		{"google1", "Google Ads → brand", "google.png"},
		{"direct2", "Яндекс.Директ → поиск", "direct.png"},
		{"direct7_rsya", "Яндекс.Директ → РСЯ → ретаргетинг", "direct.png"},
		{"vk_ads", "VK Реклама → посты", "vk.png"},
		{"email_spring", "email → spring sale", "email.png"},
		{"seo_google", "SEO → google.com", "seo.png"},
		{"seo_yandex", "SEO → yandex.ru", "seo.png"},
		{"telegram_channel", "telegram → channel", "telegram.png"},
		{"visit", "Прямые визиты", "direct-visit.png"},
		{"partner_42", "Партнёры → \"Уют & Дом\"", "partner.png"},
	}
	systems = []named{
		{"", "Mac 10.15 ", "macosx.png"}, {"", "Windows 10", "windows.png"}, {"", "Windows 11", "windows.png"},
		{"m", "iOS 17.4", "ios.png"}, {"m", "Android 14", "android.png"}, {"m", "Android 13", "android.png"},
		{"", "Linux", "linux.png"},
	}
	agents = []named{
		{"", "Chrome 90.0 browser Blink", "chrome.png"}, {"", "Chrome 126.0 browser Blink", "chrome.png"},
		{"", "Safari 17.4 browser WebKit", "safari.png"}, {"", "Firefox 127.0 browser Gecko", "firefox.png"},
		{"", "Яндекс.Браузер 24.4", "yandex.png"},
	}
	// siteEvents: the id is the metaId.
	siteEvents = []named{
		{"5", "Opening the cart page", ""}, {"6", "Добавление в корзину", ""}, {"7", "Scroll to the bottom", ""},
		{"12", "Просмотр карточки товара", ""}, {"18", "Form opened: callback", ""}, {"23", "Заявка \"Перезвоните мне\"", ""},
		{"31", "Catalog filter used", ""},
	}
	// statuses: the icon is the status type; the order is an order's life.
	statuses = []named{
		{"0", "New", "progress"}, {"1", "In Progress", "progress"}, {"2", "Ожидает оплаты", "progress"},
		{"3", "Оплачен", "paid"}, {"4", "Delivered", "paid"}, {"5", "Отказ", "canceled"}, {"9", "Не учитывать", "unused"},
	}
	pages = []string{
		"cozy.kitchen.com/catalog/accessories", "cozy.kitchen.com/catalog/tables?page=2", "cozy.kitchen.com/",
		"cozy.kitchen.com/каталог/стулья", "cozy.kitchen.com/delivery", "cozy.kitchen.com/sale/весна-2026",
	}
	callStatuses = []string{
		"ANSWER", "ANSWER", "ANSWER", "ANSWER", "BUSY", "NOANSWER", "NOANSWER", "CANCEL",
		"CONGESTION", "CHANUNAVAIL", "DONTCALL", "TORTURE", "ACTIVE",
	}
	callees    = []string{"74951234567", "78001002030", "74959876543"}
	firstNames = []string{"Jane", "John", "Aria", "Анна", "Пётр", "Мария", "Илья", "Ольга", "Alex", "Ёлка"}
	lastNames  = []string{"Smith", "Doe", "Johnson", "Иванова", "Кузнецов", "Соколова", "Лебедев", "O'Neil", "Щукин"}
	managers   = []string{"Jane Smith", "Мария Соколова", "Пётр Лебедев", "John Doe"}
	cities     = []string{"Москва", "Санкт-Петербург", "Казань", "Екатеринбург", "Berlin"}
	companies  = []string{"", "", "", "ООО \"Уют\"", "Cozy Kitchen Ltd", "ИП Кузнецов", "company1"}
	mailHosts  = []string{"mail.com", "example.com", "почта.рф", "roistat.test"}
	comments   = []string{"", "", "", "перезвонить после 18:00", "VIP", "line one\nline two", "tab\there"}
	// unknownTypes are event types no documentation names.
	unknownTypes = []string{"chat_message", "sms", "webinarVisit", "квиз", "email_open"}
)

const icons = "https://cloud.roistat.com/img/"
