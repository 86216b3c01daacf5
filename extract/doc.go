// Package extract brings what the API says into the mirror: the list of clients,
// the campaigns' contacts, and the feeds that are due.
//
// # A run
//
// [Run] pages through the list, asks for the configured campaigns, plans which
// feeds are due ([Plan]) and reads them with Options.Concurrency workers, all
// under one limiter. It ends when nothing is due any more, or earlier: at the
// deadline, with the budget or the quota used up, on an error. What was answered
// until then is in the mirror.
//
// # Calls
//
// Before a call is sent it is admitted (deadline, budget, quota, rate) and
// entered into the mirror's journal, together with the answer that the worker
// holds from its call before: one commit, shared by all workers. So a kill loses
// at most the calls in flight, one a worker, and never under-counts the quota. A
// worker that has to wait commits its answer first.
//
// An hour is counted over runs: the calls of the last 3,601 seconds in the
// journal. Refusals by the quota pause all workers: as long as the server says,
// else 1, 2, 4 … 60 s, and up to a quarter more; they halve the rate, which grows
// back soon to just below where refusals came, and from there slowly. Refusals of
// calls that were sent before the last pause began don't count again.
//
// Others may use the same quota. Ten refusals in a row mean that the hour is
// spent: nothing is asked until a call of our own leaves it, ten minutes at least.
// What the hour brought, less a 64th, is then taken for what others leave of it; so
// it is where two refusals in a row come later, or refusals at a rate below the
// hour's own average. After two hours it grows by a 64th, and then by four times as
// much each two hours, until all is ours or a refusal tells. After two hours of
// nothing but refusals the run stops.
//
// # Failures
//
// A feed that fails after all attempts, or is refused alone, fails its client:
// the mirror keeps its last good feed. After twenty failed clients in a row
// nothing more is asked: the API is in trouble, and the quota would be burnt. If
// the network was the reason that is [ErrDown]; otherwise the run ends as if a
// deadline had come, so that the gates judge the failures.
//
// # Bounds
//
// In memory are: the plan, 40 bytes a feed that is due; one page of the list; one
// campaign's rows, of which more than 24 MiB (Options.MaxCampaign), or more than a
// row or number for each 24 bytes of that, are too_large; one answer a worker, packed to at most 1 MiB (a larger one is
// kept before the next large one is read, and SQLite holds it twice more); the
// clients that failed, at most 10,000 of them. A feed of which more than 32 MiB
// and more than half remain when it is packed is too_large.
package extract
