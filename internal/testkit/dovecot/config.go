package dovecot

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"text/template"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// owner is whom the mail belongs to.
type owner struct{ uid, gid int }

// nobody owns the mail where the test is root: Dovecot serves no mail of root.
var nobody = owner{65534, 65534}

// settings fill the configuration.
type settings struct {
	Dir                      string
	Host                     string
	POP3, POP3S, IMAP, IMAPS int
	LoginUser, User, Group   string
	MailUID, MailGID         int
	Tokens                   Tokens
}

// configure writes certificate, users and configuration.
func (s *Server) configure() error {
	set := settings{Dir: s.dir, Host: s.Host, LoginUser: "dovenull", User: "dovecot", Group: "dovecot"}
	s.mail = nobody
	if os.Geteuid() != 0 {
		me, err := user.Current()
		if err != nil {
			return err
		}
		group, err := user.LookupGroupId(me.Gid)
		if err != nil {
			return err
		}
		set.LoginUser, set.User, set.Group = me.Username, me.Username, group.Name
		s.mail = owner{os.Geteuid(), os.Getegid()}
	}
	set.MailUID, set.MailGID, set.Tokens = s.mail.uid, s.mail.gid, s.tokens
	ports, err := testkit.Ports(4)
	if err != nil {
		return err
	}
	s.POP3, s.POP3S, s.IMAP, s.IMAPS = ports[0], ports[1], ports[2], ports[3]
	set.POP3, set.POP3S, set.IMAP, set.IMAPS = s.POP3, s.POP3S, s.IMAP, s.IMAPS
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{"run", "state", "mail"} {
		if err := s.mkdir(s.path(dir), dir == "mail"); err != nil {
			return err
		}
	}
	cert, key := testkit.PairPEM(s.CA.Server(s.Host, "127.0.0.1", "localhost"))
	var conf strings.Builder
	if err := configuration.Execute(&conf, set); err != nil {
		return err
	}
	tokens := "tokeninfo_url = " + s.tokens.Info + "\nusername_attribute = email\nusername_format = %u\n"
	for name, content := range map[string][]byte{"cert.pem": cert, "key.pem": key, "dovecot.conf": []byte(conf.String()), "oauth2.conf": []byte(tokens)} {
		if err := os.WriteFile(s.path(name), content, 0o600); err != nil {
			return err
		}
	}
	users, err := os.OpenFile(s.path("users"), os.O_CREATE|os.O_WRONLY, 0o644) // the auth process is not root
	if err != nil {
		return err
	}
	return users.Close()
}

// mkdir makes a folder, for the owner of the mail if asked.
func (s *Server) mkdir(path string, forMail bool) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	if forMail {
		return s.give(path)
	}
	return nil
}

// give makes a file or folder the mail owner's; only root has to and can.
func (s *Server) give(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, s.mail.uid, s.mail.gid)
}

// AddUser lets somebody log in, with an empty mailbox. A later line for the
// same name would not count, so each name is added once.
func (s *Server) AddUser(name, password string) error {
	if name == "" || strings.ContainsAny(name, ":/\r\n") || name[0] == '.' {
		return fmt.Errorf("dovecot: user name %q", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.makeFolder(name, ""); err != nil {
		return err
	}
	f, err := os.OpenFile(s.path("users"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s:{PLAIN.HEX}%x\n", name, password) // hex: a password may hold a colon
	return errors.Join(err, f.Close())
}

// configuration is for Dovecot 2.3.
var configuration = template.Must(template.New("dovecot.conf").Parse(`
base_dir = {{.Dir}}/run
state_dir = {{.Dir}}/state
log_path = {{.Dir}}/log
protocols = imap pop3
listen = {{.Host}}{{if ne .Host "127.0.0.1"}}, 127.0.0.1{{end}}
default_login_user = {{.LoginUser}}
default_internal_user = {{.User}}
default_internal_group = {{.Group}}
default_process_limit = 1024
default_client_limit = 4096

ssl = required
ssl_cert = <{{.Dir}}/cert.pem
ssl_key = <{{.Dir}}/key.pem
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = yes
auth_mechanisms = plain login{{with .Tokens.Mechanisms}} {{.}}{{end}}
auth_failure_delay = 0
auth_username_chars =
login_trusted_networks =

{{with .Tokens.Mechanisms}}passdb {
  driver = oauth2
  mechanisms = {{.}}
  args = {{$.Dir}}/oauth2.conf
}
{{end}}passdb {
  driver = passwd-file
  mechanisms = plain login
  args = scheme=PLAIN username_format=%u {{.Dir}}/users
}
userdb {
  driver = static
  args = uid={{.MailUID}} gid={{.MailGID}} home={{.Dir}}/mail/%u
}
first_valid_uid = 1
mail_location = maildir:~/Maildir
mail_max_userip_connections = 1000
mail_fsync = never
mailbox_idle_check_interval = 1s
namespace inbox {
  inbox = yes
  separator = /
}

# Without this, failed logins slow down all that follow from one address.
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
# One process serves many logins, so that a connection costs no fork.
service imap-login {
  chroot =
  service_count = 0
  process_min_avail = 1
  client_limit = 2048
  inet_listener imap {
    port = {{.IMAP}}
  }
  inet_listener imaps {
    port = {{.IMAPS}}
    ssl = yes
  }
}
service pop3-login {
  chroot =
  service_count = 0
  process_min_avail = 1
  client_limit = 2048
  inet_listener pop3 {
    port = {{.POP3}}
  }
  inet_listener pop3s {
    port = {{.POP3S}}
    ssl = yes
  }
}
service imap {
  service_count = 256
}
service pop3 {
  service_count = 256
}
`))
