package plugins

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Confined reports whether a worker gives up its rights on this system.
const Confined = true

// maxAddresses is the room of a worker: Go reserves some of it and uses little.
const maxAddresses = 4 << 30

// apart keeps signals of the terminal from a worker: its host ends it.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// confine takes from this process what running plugins does not need, for good:
// it opens no file or connection, starts no program, and signals nobody else. What
// it holds stays open: the two pipes.
func confine() error {
	for resource, most := range map[int]uint64{
		unix.RLIMIT_AS: maxAddresses, unix.RLIMIT_CORE: 0, unix.RLIMIT_FSIZE: 0, unix.RLIMIT_NOFILE: 16, unix.RLIMIT_MEMLOCK: 0,
	} {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("limit %d: %w", resource, err)
		}
	}
	// Nobody else of the same user reads its memory, and no program gives more rights.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("no dumps: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	return allowOnly(allowed)
}

// limitCPU gives another process of ours so much time of a processor, and no more:
// the kernel ends it then.
func limitCPU(pid int, d time.Duration) error {
	seconds := uint64((d + time.Second - 1) / time.Second)
	return unix.Prlimit(pid, unix.RLIMIT_CPU, &unix.Rlimit{Cur: seconds, Max: seconds}, nil)
}

// allowed is what Go's runtime and wazero call: memory, threads, clocks, signals to
// oneself, and the pipes. Others answer EPERM.
var allowed = []uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_CLOSE, unix.SYS_FCNTL,
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK,
	unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_RESTART_SYSCALL,
	unix.SYS_GETRANDOM, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ,
}

// Offsets in struct seccomp_data (seccomp(2)); the machines are little-endian.
const (
	atNumber  = 0
	atMachine = 4
	atArg0    = 16
)

// allowOnly filters the system calls of all threads.
func allowOnly(calls []uint32) error {
	machine, ok := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if !ok {
		return nil // limits alone
	}
	f := filterOf(machine, calls, uint32(os.Getpid()))
	program := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	_, _, number := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if number != 0 {
		return fmt.Errorf("filter of system calls: %w", number)
	}
	return nil
}

func filterOf(machine uint32, calls []uint32, self uint32) []unix.SockFilter {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: yes, Jf: no}
	}
	give := func(what uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what} }
	const errno = unix.SECCOMP_RET_ERRNO
	allow, refuse := give(unix.SECCOMP_RET_ALLOW), give(errno|uint32(unix.EPERM))
	f := []unix.SockFilter{
		load(atMachine), equal(machine, 1, 0), give(unix.SECCOMP_RET_KILL_PROCESS),
		load(atNumber),
	}
	for _, call := range calls {
		f = append(f, equal(call, 0, 1), allow)
	}
	return append(f,
		// Its flags cannot be looked at: who is told that there is none takes clone.
		equal(unix.SYS_CLONE3, 0, 1), give(errno|uint32(unix.ENOSYS)),
		// Threads, not processes: Go asks for CLONE_THREAD among others.
		equal(unix.SYS_CLONE, 0, 4), load(atArg0),
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.CLONE_THREAD, Jt: 0, Jf: 1}, allow, refuse,
		// Go preempts its own threads.
		equal(unix.SYS_TGKILL, 0, 4), load(atArg0), equal(self, 0, 1), allow, refuse,
		refuse)
}
