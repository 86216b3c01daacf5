package faults

// What the design demands of each sort of fault. A fault strikes a few feeds,
// every feed, the list or the contacts, on the first attempt or for good.

// ends are the ends of nights with one fault: on the first attempt, for good.
type ends struct{ few, every, list, contacts [2]cell }

// fews is how many clients a fault strikes that strikes a few: too few for the
// gate of failed clients.
const fews = 3

// row20 is how many clients fail in a row before nothing more is asked.
const row20 = 20

// The numbers of a cell that depend on how many feeds are due.
const (
	anyNumber = -1 - iota
	everyDue
)

// whole is a night in which all that was due was fetched.
func whole(retried int64) cell {
	return cell{exit: 0, retried: retried, struck: tonight, others: tonight}
}

// fewFail: their last good feed stays published, the others' are new.
func fewFail(code string, retried int64) cell {
	return cell{
		exit: 3, failed: fews, code: code, reasons: []string{"3 clients failed"},
		retried: retried, struck: before, others: tonight,
	}
}

// everyFails stops at the gate, which takes back what was read.
func everyFails(code string) cell {
	return cell{
		exit: 5, failed: row20, streak: true, code: code, gate: "max_failed_clients", err: []string{"max_failed_clients", "unchanged"},
		reasons: []string{"", "", "too many clients failed in a row"}, retried: anyNumber, struck: before, others: before,
	}
}

// down: nobody answers at all.
func down(code string) cell {
	return cell{
		exit: 1, failed: row20, streak: true, code: code, err: []string{"the API can't be reached", "nothing was published", "what was fetched is kept: run again later"},
		retried: anyNumber, struck: before, others: before,
	}
}

// noList: without a list nothing else is asked.
func noList(code string, retried int64) cell {
	return cell{
		exit: 1, err: []string{"list the clients: page at offset 0: " + code, "nothing was published"}, short: true,
		retried: retried, struck: before, others: before,
	}
}

// noContacts: the campaign keeps its former contacts.
func noContacts(code string, retried int64) cell {
	return cell{
		exit: 3, campaign: code, reasons: []string{"campaign 2 failed: page at offset 0: " + code},
		retried: retried, struck: tonight, others: tonight,
	}
}

// noAnswer is what brings nothing that has a status.
func noAnswer(code string) ends {
	e := useless(code)
	e.every[1] = down(code)
	return e
}

// useless is an answer that can't be used. It is asked for again, up to
// max_attempts; then its client has failed, or the campaign, or the run.
func useless(code string) ends {
	list := noList(code, attempts-1)
	list.err = append(list.err, "run again later")
	return ends{
		few:      [2]cell{whole(fews), fewFail(code, fews*(attempts-1))},
		every:    [2]cell{whole(everyDue), everyFails(code)},
		list:     [2]cell{whole(1), list},
		contacts: [2]cell{whole(1), noContacts(code, attempts-1)},
	}
}

// dripping is an answer that comes too slowly. Those of a few bytes are there in time.
func dripping() ends {
	e := useless("timeout")
	e.every[0].retried = anyNumber
	return e
}

// rejected is a question that is refused alone: asking again is of no use.
func rejected(code string) ends {
	few, every, list, contacts := fewFail(code, 0), everyFails(code), noList(code, 0), noContacts(code, 0)
	every.retried, list.err = 0, append(list.err, "check base_url, project and filters")
	return ends{[2]cell{few, few}, [2]cell{every, every}, [2]cell{list, list}, [2]cell{contacts, contacts}}
}

// absent is resource_not_found. A feed that isn't there is no failure, and what
// is known of its client stays until the list misses it too.
func absent(code string) ends {
	few, list, contacts := whole(0), noList(code, 0), noContacts(code, 0)
	few.struck, list.err = before, append(list.err, "check base_url, project and filters")
	return ends{[2]cell{few, few}, [2]cell{few, few}, [2]cell{list, list}, [2]cell{contacts, contacts}}
}

// refused is for good, whatever is asked: the run ends at once.
func refused(code, remedy string) ends {
	c := cell{exit: 4, err: []string{code, remedy, "nothing was published"}}
	list := c
	list.short, list.struck, list.others = true, before, before
	contacts := c
	contacts.struck, contacts.others = before, before
	return ends{[2]cell{c, c}, [2]cell{c, c}, [2]cell{list, list}, [2]cell{contacts, contacts}}
}

// spent is a quota that is used up: it is waited for, for three hours at most.
func spent() ends {
	const quota = "the quota is used up"
	few := cell{exit: 3, left: fews, reasons: []string{"3 feeds are left", quota}, retried: anyNumber, struck: before, others: tonight}
	every := cell{exit: 3, left: everyDue, reasons: []string{"", quota}, retried: anyNumber, struck: before, others: before}
	contacts := every
	contacts.campaign, contacts.reasons = "quota", []string{"campaign 2 failed: not all asked: " + quota, "", quota}
	list := every
	list.campaign, list.short, list.idle = "quota", true, true
	list.reasons = []string{"the list was not read to its end", "campaign 2 failed: not asked: " + quota, "", quota}
	return ends{
		few:      [2]cell{whole(fews), few},
		every:    [2]cell{whole(everyDue), every},
		list:     [2]cell{whole(1), list},
		contacts: [2]cell{whole(1), contacts},
	}
}

// harmless is what no run may notice.
func harmless() ends {
	c := [2]cell{whole(0), whole(0)}
	return ends{c, c, c, c}
}

// wrongClock harms nothing, and is told of.
func wrongClock() ends {
	told := whole(0)
	told.reasons = []string{"this machine's clock is"}
	c := [2]cell{told, told}
	return ends{c, c, c, c}
}

// emptied feeds are asked for once more, and then believed unless a gate objects.
func emptied() ends {
	few, every := whole(0), whole(0)
	few.struck, every.struck = neither, "" // who had no items yesterday arouses no suspicion
	return ends{
		few: [2]cell{whole(0), few},
		every: [2]cell{every, {
			exit: 5, gate: "max_row_drop", err: []string{"max_row_drop", "unchanged"}, struck: before, others: before,
		}},
	}
}

// junk is an item that can't be used beside those that can: a reject a feed.
func junk() ends {
	few := whole(0)
	few.struck, few.rejects = neither, fews
	every := cell{
		exit: 5, gate: "max_rejects", err: []string{"max_rejects", "unchanged"}, rejects: everyDue, struck: before, others: before,
	}
	return ends{few: [2]cell{few, few}, every: [2]cell{every, every}}
}

// odd is an item of a type that nobody knows, which is kept as it is.
func odd() ends {
	c := whole(0)
	c.struck = neither
	return ends{few: [2]cell{c, c}, every: [2]cell{c, c}}
}

// shortList is a list that holds fewer clients than the API says there are.
func shortList() ends {
	c := whole(0)
	c.exit, c.short, c.reasons = 3, true, []string{"the list gave "}
	return ends{list: [2]cell{whole(0), c}}
}

// trueList is a list that miscounts without lacking anybody.
func trueList() ends { return ends{list: [2]cell{whole(0), whole(0)}} }
