// Package world is the truth behind roistat-sim: a Roistat project made from a
// seed, typed, with two renderings that never read each other. One is the JSON
// the API would answer with, all its quirks included (encode.go, spell.go); the
// other is what correct tables must hold (judge.go, truth.go).
//
// A world is lazy. A feed is a function of (seed, client id, nights passed), so
// nothing is kept but eight bytes a listed client, and the order in which feeds
// are asked for changes nothing. Each field is a [Cell]: its truth (a text,
// cents, milliseconds …) beside the form in which the JSON spells it. A quirk
// either picks another form of the same truth, or makes the field unusable, and
// then the cell carries the reason that a rejects row must give.
//
// Memory: 8 B × clients for the list, one feed at a time while rendering (a
// feed has at most [WhaleItems] items before nights), and 16 B × contacts a
// campaign once a campaign was asked for.
package world
