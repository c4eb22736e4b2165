package dovecot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Deliver puts mail into a folder ("" is the INBOX, else its name as the
// server lists it, levels separated by a slash), in this order. Folders are made as needed.
func (s *Server) Deliver(user, folder string, messages ...[]byte) error {
	for _, m := range messages {
		if err := s.DeliverFrom(user, folder, bytes.NewReader(m)); err != nil {
			return err
		}
	}
	return nil
}

// DeliverFrom puts in one message of any size.
func (s *Server) DeliverFrom(user, folder string, message io.Reader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.makeFolder(user, folder); err != nil {
		return err
	}
	s.delivered++
	dir := s.maildir(user, folder)
	// Dovecot numbers new files by their names.
	name := fmt.Sprintf("%d.M%09dP%d.test", time.Now().Unix(), s.delivered, os.Getpid())
	partial := filepath.Join(dir, "tmp", name)
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, message)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.give(partial); err != nil {
		return err
	}
	return os.Rename(partial, filepath.Join(dir, "new", name))
}

// Files gives the paths of the messages in a folder, oldest first. What
// follows ":2," in a name are the flags: S is \Seen, T is \Deleted.
func (s *Server) Files(user, folder string) ([]string, error) {
	var all []string
	for _, sub := range []string{"cur", "new"} {
		paths, err := filepath.Glob(filepath.Join(s.maildir(user, folder), sub, "*"))
		if err != nil {
			return nil, err
		}
		all = append(all, paths...)
	}
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	return all, nil
}

// ForgetUIDs makes Dovecot number a folder anew: UIDVALIDITY and every UID
// and UIDL change, as after a server was moved. Nobody may be logged in.
func (s *Server) ForgetUIDs(user, folder string) error {
	dir := s.maildir(user, folder)
	for _, pattern := range []string{"dovecot-uidlist", "dovecot.index*"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, p := range paths {
			if err := os.Remove(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// maildir is the folder's place in Maildir++: levels are joined by dots.
func (s *Server) maildir(user, folder string) string {
	root := filepath.Join(s.dir, "mail", user, "Maildir")
	if folder == "" || folder == "INBOX" {
		return root
	}
	return filepath.Join(root, "."+strings.ReplaceAll(folder, "/", "."))
}

func (s *Server) makeFolder(user, folder string) error {
	dir := s.maildir(user, folder)
	home := filepath.Join(s.dir, "mail", user)
	for _, d := range []string{home, filepath.Join(home, "Maildir"), dir, dir + "/tmp", dir + "/new", dir + "/cur"} {
		if err := s.mkdir(d, true); err != nil {
			return err
		}
	}
	return nil
}
