// Package text is the catalog of what the pages say. No page and no handler
// holds words of its own: it names a key, and en.txt has the text.
//
//	# a comment
//	audit.older = Older
//	audit.shown.one = {n} entry
//	audit.shown.other = {n} entries
//
// A line is a key and its text; {name} is a placeholder. A key with .one and
// .other is a plural: the value of n chooses. Texts are plain: markup belongs to
// pages, which escape what they insert, texts and placeholders alike.
//
// In pages:
//
//	{{t "audit.older"}}
//	{{t "audit.shown" "n" .Count}}
//	{{word "state" .State}}   the text state.paused, or the value itself
//	                          where there is none (a code of somebody else's)
//
// A list is family.name.1, family.name.2 and so on, for List.
//
// A key that does not exist is an error of the page. A test holds the catalog
// against everything that is used: nothing missing, nothing left over.
package text
