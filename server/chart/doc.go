// Package chart draws figures as SVG: bars, lines, and the strip that shows
// how a mailbox has done. It is pure: the same figures give the same octets.
//
// A drawing has only marks, no letters: it is stretched to the width of its
// place, on a phone to half of what it is on a desk, and text would become
// unreadable. What is to be read stands around it as text of the page: the
// highest value, the ends of the time, and a table of all figures. Who cannot
// see it hears title and description (role img); who points at a mark sees what
// it stands for.
//
// Nothing has a colour here. Marks have classes, and the page's style gives
// these a look in light and dark; no two kinds of mark differ in colour alone.
package chart
