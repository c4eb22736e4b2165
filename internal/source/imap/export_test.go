package imap

// Lack makes a session believe that its server has no MOVE, nor UIDPLUS if all.
func Lack(s *Source, all bool) {
	s.can &^= move
	if all {
		s.can &^= uidplus
	}
}
