// Package loadtest is what every destination must pass: the conformance suite of
// load.Destination, and record batches to try it with.
//
// A case of the suite publishes small worlds and lets every step fail once: the
// write, the rows half way, the check, the commit, a cancelled context, giving
// up at each point. After each of them readers must see what they saw, nothing
// may lie about, and no record batch or goroutine may be left over. Cases return
// errors instead of failing a test, so that the suite itself can be tested with
// destinations that are wrong on purpose.
package loadtest
