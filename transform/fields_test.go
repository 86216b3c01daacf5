package transform_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"roistat-etl/schemas"
	"roistat-etl/transform"
)

// expect compares some columns of the one row of a table, and the rejects.
func expect(t *testing.T, ts tables, id schemas.ID, want row, rejects string) {
	t.Helper()
	if len(ts[id]) != 1 {
		t.Fatalf("%d rows of %s: %s", len(ts[id]), id, ts)
	}
	for name, value := range want {
		if got, ok := ts[id][0][name]; !ok || got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if got := rejectsOf(ts); got != rejects {
		t.Errorf("rejects are %q, want %q", got, rejects)
	}
}

func TestTexts(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"text", `"a b "`, "a b "}, {"empty stays", `""`, ""}, {"null", `null`, null}, {"number", `1.50`, "1.50"}, {"number with exponent", `-1E+5`, "-1E+5"},
		{"true", `true`, "true"}, {"false", `false`, "false"}, {"escapes", `"\u041c\/\n\u0000\ud83d\ude00"`, "М/\n\x00😀"},
		{"no-break space", "\"1\u00a0000 ₽\"", "1\u00a0000 ₽"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts := feedOf(t, `[{"type":"call",`+at+`,"caller":`+c.value+`,"callee":`+c.value+`}]`)
			expect(t, ts, schemas.Calls, row{"caller": c.want, "callee": c.want, "extra": null}, "")
		})
	}
	for _, value := range []string{`{}`, `[]`, `{"a":"\u0444"}`, `["x",1.0]`, `"a\ud800"`, `"\uDFFFb"`} {
		t.Run(value, func(t *testing.T) {
			ts := feedOf(t, `[{"type":"call",`+at+`,"caller":`+value+`}]`)
			extra := `{"caller":` + strings.ReplaceAll(value, `\u0444`, "ф") + `}`
			expect(t, ts, schemas.Calls, row{"caller": null, "extra": extra}, "0:call:caller:bad_value")
		})
	}
}

func TestWholeNumbers(t *testing.T) {
	for value, want := range map[string]string{
		`5`: "5", `"5"`: "5", `5.0`: "5", `"5.0"`: "5", `1e3`: "1000", `"\u0035"`: "5", `null`: null, `""`: null, `-9223372036854775808`: "-9223372036854775808",
	} {
		ts := feedOf(t, `[{"type":"call",`+at+`,"duration":`+value+`}]`)
		expect(t, ts, schemas.Calls, row{"duration_seconds": want, "extra": null}, "")
	}
	for _, value := range []string{`5.5`, `"05"`, `" 5"`, `"5 "`, `"+5"`, `"abc"`, `true`, `{}`, `[]`, `[5]`, `9223372036854775808`, `1e19`, `"5s"`} {
		ts := feedOf(t, `[{"type":"call",`+at+`,"duration":`+value+`}]`)
		expect(t, ts, schemas.Calls, row{"duration_seconds": null, "extra": `{"duration":` + value + `}`}, "0:call:duration:bad_value")
	}
}

func TestTruthValues(t *testing.T) {
	for value, want := range map[string]string{
		`true`: "true", `false`: "false", `1`: "true", `0`: "false", `"1"`: "true", `"0"`: "false", `1.0`: "true", `"0.0"`: "false", `null`: null, `""`: null,
	} {
		ts := feedOf(t, `[{"type":"visit","visitId":1,`+at+`,"device":{"is_mobile":`+value+`}}]`)
		expect(t, ts, schemas.Visits, row{"is_mobile": want, "extra": null}, "")
	}
	for _, value := range []string{`"true"`, `"maybe"`, `2`, `-1`, `[]`, `{}`, `0.5`} {
		ts := feedOf(t, `[{"type":"visit","visitId":1,`+at+`,"device":{"is_mobile":`+value+`}}]`)
		expect(t, ts, schemas.Visits, row{"is_mobile": null, "extra": `{"device":{"is_mobile":` + value + `}}`}, "0:visit:device:bad_value")
	}
}

func TestAmounts(t *testing.T) {
	for value, want := range map[string]string{
		`12.5`: "12.50", `"12.50"`: "12.50", `0.30000000000000004`: "0.30", `1999.9899999999998`: "1999.99", `-5`: "-5.00", `1e3`: "1000.00",
		`9999999999999999.99`: "9999999999999999.99", `null`: null, `""`: null,
	} {
		ts := feedOf(t, `[{"type":"orderCostChange",`+at+`,"cost":`+value+`}]`)
		expect(t, ts, schemas.OrderCostChanges, row{"cost": want, "extra": null}, "")
	}
	for _, value := range []string{`1.005`, `"abc"`, `true`, `{}`, `[]`, `1e16`, `"1 000"`, `"12,50"`, `12.345`, `"\ud800"`} {
		ts := feedOf(t, `[{"type":"orderCostChange",`+at+`,"cost":`+value+`}]`)
		expect(t, ts, schemas.OrderCostChanges, row{"cost": null, "extra": `{"cost":` + value + `}`}, "0:orderCostChange:cost:bad_money")
	}
}

func TestOtherTimes(t *testing.T) {
	for value, want := range map[string]string{
		`"2021-11-10T14:05:12.5+0300"`: "2021-11-10T11:05:12.500Z", `null`: null, `""`: null, `"0000-00-00"`: null, `"0000-00-00 00:00:00"`: null,
		`"-0001-11-30T00:00:00+00:00"`: null, `"2021-11-10"`: "2021-11-10T00:00:00.000Z",
	} {
		ts := feedOf(t, `[{"type":"order","id":1,`+at+`,"updateDate":`+value+`}]`)
		expect(t, ts, schemas.Orders, row{"updated_at": want, "extra": null}, "")
	}
	for _, value := range []string{`"x"`, `0`, `1636553112`, `{}`, `"9999-01-01"`, `"1969-01-01"`, `"2021-02-30"`, `false`} {
		ts := feedOf(t, `[{"type":"order","id":1,`+at+`,"updateDate":`+value+`}]`)
		expect(t, ts, schemas.Orders, row{"updated_at": null, "extra": `{"updateDate":` + value + `}`}, "0:order:updateDate:bad_time")
	}
}

func TestTimeOfAnEvent(t *testing.T) {
	moscow, err := time.LoadLocation("Europe/Moscow")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, keys, want, extra string }{
		{"creationDate", `"creationDate":"2021-11-10T14:05:12+0000"`, "2021-11-10T14:05:12.000Z", null},
		{"date", `"date":"2021-11-10T14:05:12+0000"`, "2021-11-10T14:05:12.000Z", null},
		{"creationDate goes first", `"date":"2021-11-11","creationDate":"2021-11-10T14:05:12Z"`, "2021-11-10T14:05:12.000Z", `{"date":"2021-11-11"}`},
		{"a bad date is not needed", `"creationDate":"2021-11-10T14:05:12Z","date":{"x":1}`, "2021-11-10T14:05:12.000Z", `{"date":{"x":1}}`},
		{"null is absent", `"creationDate":null,"date":"2021-11-10T14:05:12Z"`, "2021-11-10T14:05:12.000Z", null},
		{"empty is absent", `"creationDate":"","date":"2021-11-10T14:05:12Z"`, "2021-11-10T14:05:12.000Z", null},
		{"without offset", `"date":"2021-11-10 14:05:12"`, "2021-11-10T11:05:12.000Z", null},
		{"date alone", `"date":"2021-11-10"`, "2021-11-09T21:00:00.000Z", null},
		{"with offset", `"date":"2021-11-10 14:05:12 -02:30"`, "2021-11-10T16:35:12.000Z", null},
		{"cut", `"date":"2021-11-10T14:05:12.9999Z"`, "2021-11-10T14:05:12.999Z", null},
		{"escaped", `"date":"2021-11-10T14:05:12\u002b0000"`, "2021-11-10T14:05:12.000Z", null},
		{"the last of two", `"date":"x","date":"2021-11-10T14:05:12Z"`, "2021-11-10T14:05:12.000Z", null},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts, _ := projectFeed(t, transform.Options{Location: moscow}, `[{"type":"call",`+c.keys+`}]`)
			expect(t, ts, schemas.Calls, row{"occurred_at": c.want, "extra": c.extra}, "")
		})
	}
}

func TestDevice(t *testing.T) {
	nothing := row{"device_os": null, "device_agent": null, "device_os_icon": null, "device_agent_icon": null, "is_mobile": null}
	for _, c := range []struct {
		name, device string
		want         row
		extra        string
		rejects      string
	}{
		{"null", `null`, nothing, null, ""}, {"list for object", `[]`, nothing, null, ""}, {"list with a blank", `[ ]`, nothing, null, ""}, {"empty", `{}`, nothing, null, ""},
		{"text", `"Mac"`, nothing, `{"device":"Mac"}`, "0:visit:device:bad_value"},
		{"empty text", `""`, nothing, `{"device":""}`, "0:visit:device:bad_value"},
		{"number", `5`, nothing, `{"device":5}`, "0:visit:device:bad_value"},
		{"list", `[{"os":"x"}]`, nothing, `{"device":[{"os":"x"}]}`, "0:visit:device:bad_value"},
		{"unknown keys keep their nesting", `{"z":{"b":1,"a":null},"os":"Mac","a":null}`, row{"device_os": "Mac"}, `{"device":{"a":null,"z":{"a":null,"b":1}}}`, ""},
		{"number in text", `{"os":10.0,"agent":""}`, row{"device_os": "10.0", "device_agent": ""}, null, ""},
		{"several at fault", `{"os":{"v":1},"agent":[],"is_mobile":"maybe","os_icon":"i","x":1}`,
			row{"device_os": null, "device_agent": null, "is_mobile": null, "device_os_icon": "i"}, `{"device":{"agent":[],"is_mobile":"maybe","os":{"v":1},"x":1}}`, "0:visit:device:bad_value"},
		{"the last of equal keys", `{"os":{},"os":"a","\u006fs":"b","x":1,"x":2}`, row{"device_os": "b"}, `{"device":{"x":2}}`, ""},
		{"half a pair", `{"os":"\uD83Dx"}`, row{"device_os": null}, `{"device":{"os":"\uD83Dx"}}`, "0:visit:device:bad_value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts := feedOf(t, `[{"type":"visit","visitId":"1",`+at+`,"device":`+c.device+`}]`)
			expect(t, ts, schemas.Visits, c.want, c.rejects)
			expect(t, ts, schemas.Visits, row{"extra": c.extra}, c.rejects)
		})
	}
	t.Run("absent", func(t *testing.T) {
		expect(t, feedOf(t, `[{"type":"visit","visitId":"1",`+at+`}]`), schemas.Visits, nothing, "")
	})
	t.Run("of another type", func(t *testing.T) {
		ts := feedOf(t, `[{"type":"call",`+at+`,"device":{"os":"x","agent":{}}}]`)
		expect(t, ts, schemas.Calls, row{"extra": `{"device":{"agent":{},"os":"x"}}`}, "")
	})
}

func TestOrderFields(t *testing.T) {
	for _, c := range []struct{ name, fields, want, extra, rejects string }{
		{"null", `null`, "{}", null, ""}, {"list for object", `[]`, "{}", null, ""}, {"empty", `{}`, "{}", null, ""},
		{"sorted by bytes", `{"я":"1","b":"2","B":"3","":"4","a":"5"}`, "{=4|B=3|a=5|b=2|я=1}", null, ""},
		{"numbers and bools", `{"a":1.50,"b":true,"c":-1e5,"d":""}`, "{a=1.50|b=true|c=-1e5|d=}", null, ""},
		{"null is absent", `{"a":null,"b":"1"}`, "{b=1}", null, ""},
		{"the last of equal keys", `{"a":"1","b":"x","a":"2"}`, "{a=2|b=x}", null, ""},
		{"equal by their text", `{"a":"1","\u0061":"2"}`, "{a=2}", null, ""},
		{"the last is null", `{"a":"1","a":null}`, "{}", null, ""},
		{"nested", `{"x":{ "b" : 1.0, "a" : [ "\u0444", null ] },"e":[ ],"o":{ }}`, `{e=[]|o={}|x={"b":1.0,"a":["ф",null]}}`, null, ""},
		{"nested half a pair", `{"x":["\ud800"]}`, `{x=["\ud800"]}`, null, ""},
		{"escaped", `{"\u0413\u043e\u0440\u043e\u0434":"\u041c"}`, "{Город=М}", null, ""},
		{"half a pair", `{"a":"\ud800","b":"1"}`, "{b=1}", `{"fields":{"a":"\ud800"}}`, "0:order:fields:bad_value"},
		{"half a pair in a key", `{"a\ud800":"x","b":"1"}`, "{b=1}", `{"fields":{"a\ud800":"x"}}`, "0:order:fields:bad_value"},
		{"several at fault", `{"z":"\ud800","a":"\ud801","b":"1"}`, "{b=1}", `{"fields":{"a":"\ud801","z":"\ud800"}}`, "0:order:fields:bad_value"},
		{"a fault that was overwritten", `{"a":"\ud800","a":"1"}`, "{a=1}", null, ""},
		{"text", `"x"`, "{}", `{"fields":"x"}`, "0:order:fields:bad_value"},
		{"empty text", `""`, "{}", `{"fields":""}`, "0:order:fields:bad_value"},
		{"list", `[1]`, "{}", `{"fields":[1]}`, "0:order:fields:bad_value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts := feedOf(t, `[{"type":"order","id":"1",`+at+`,"fields":`+c.fields+`}]`)
			expect(t, ts, schemas.Orders, row{"fields": c.want, "extra": c.extra}, c.rejects)
		})
	}
	expect(t, feedOf(t, `[{"type":"order","id":"1",`+at+`}]`), schemas.Orders, row{"fields": "{}"}, "")
}

func TestTheLastOfManyEqualKeys(t *testing.T) {
	var members []string
	for i := range 60 {
		members = append(members, fmt.Sprintf(`"%c":%d`, 'a'+i%3, i))
	}
	ts := feedOf(t, `[{"type":"order","id":"1",`+at+`,"fields":{`+strings.Join(members, ",")+`},`+strings.Join(members, ",")+`}]`)
	expect(t, ts, schemas.Orders, row{"fields": "{a=57|b=58|c=59}", "extra": `{"a":57,"b":58,"c":59}`}, "")
}

func TestLeads(t *testing.T) {
	for status, want := range map[string]row{
		`"1"`: {"status": "1", "is_sent": "true"}, `0`: {"status": "0", "is_sent": "false"}, `1.0`: {"status": "1.0", "is_sent": "true"},
		`"2"`: {"status": "2", "is_sent": null}, `"sent"`: {"status": "sent", "is_sent": null}, `""`: {"status": "", "is_sent": null}, `null`: {"status": null, "is_sent": null},
	} {
		ts := feedOf(t, `[{"type":"lead_hunter_caught",`+at+`,"field":71234567890,"status":`+status+`}]`)
		want["phone"], want["extra"] = "71234567890", null
		expect(t, ts, schemas.LeadHunterLeads, want, "")
	}
	ts := feedOf(t, `[{"type":"lead_hunter_caught",`+at+`,"status":{"a":1}}]`)
	expect(t, ts, schemas.LeadHunterLeads, row{"status": null, "is_sent": null, "extra": `{"status":{"a":1}}`}, "0:lead_hunter_caught:status:bad_value")
}

func TestExtra(t *testing.T) {
	for _, c := range []struct{ name, keys, want string }{
		{"nothing", ``, null},
		{"sorted, without spaces", `, "z" : 1.0 , "a" : { "d" : 1, "c" : [ 1 , 2 ] }, "B":null`, `{"B":null,"a":{"c":[1,2],"d":1},"z":1.0}`},
		{"null is kept", `,"x":null`, `{"x":null}`},
		{"the last of equal keys", `,"x":1,"y":2,"\u0078":3`, `{"x":3,"y":2}`},
		{"keys of other types", `,"visitId":5,"page":"p","type2":1`, `{"page":"p","type2":1,"visitId":5}`},
		{"letters unescaped", `,"\u043a\/":"\u0444\u0000\u001F\t"`, "{\"к/\":\"ф\\u0000\\u001f\\t\"}"},
		{"half a pair", `,"x":"\uD83D","\udc00":1`, `{"x":"\uD83D","\udc00":1}`},
		{"empty key", `,"":{}`, `{"":{}}`},
		{"long numbers", `,"n":123456789012345678901234567890.10`, `{"n":123456789012345678901234567890.10}`},
		{"faults and unknown keys", `,"duration":"x","aa":1,"file_url":[1]`, `{"aa":1,"duration":"x","file_url":[1]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts := feedOf(t, `[{"type":"call",`+at+c.keys+`}]`)
			if got := ts[schemas.Calls][0]["extra"]; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestSeveralFaultsOfAnItem(t *testing.T) {
	ts := feedOf(t, `[{"type":"order","id":7,`+at+`,"revenue":"x","cost":"y","updateDate":"z","name":[],"fields":5}]`)
	expect(t, ts, schemas.Orders, row{"order_id": "7", "revenue": null, "extra": `{"cost":"y","fields":5,"name":[],"revenue":"x","updateDate":"z"}`},
		"0:order:cost:bad_money 0:order:fields:bad_value 0:order:name:bad_value 0:order:revenue:bad_money 0:order:updateDate:bad_time")
}

func TestEqualKeysOfAnItem(t *testing.T) {
	ts := feedOf(t, `[{"type":"call","caller":{"bad":1},`+at+`,"caller":"1","c\u0061ller":"2"}]`)
	expect(t, ts, schemas.Calls, row{"caller": "2", "extra": null}, "")
	ts = feedOf(t, `[{"type":"call","caller":"1",`+at+`,"caller":{"bad":1}}]`)
	expect(t, ts, schemas.Calls, row{"caller": null, "extra": `{"caller":{"bad":1}}`}, "0:call:caller:bad_value")
}
