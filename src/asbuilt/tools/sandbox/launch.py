"""The program that confines itself and becomes another program.

It is run as a script, ``python -I -S launch.py ORDER PROGRAM [ARGUMENT ...]``, and imports the standard
library only. ORDER is an `Order`, `worded`. It takes the limits, gives up every capability, restricts
itself with Landlock and seccomp as ordered, and then executes PROGRAM, which can lift none of it. To the
descriptor `status` it writes "+" once confined; anything else there is the reason why PROGRAM does not
run, and PROGRAM never runs unconfined.

Interfaces of the kernel: Documentation/userspace-api/landlock.rst and seccomp_filter.rst,
include/uapi/linux/{landlock,seccomp,filter,audit,prctl,sched}.h of Linux 6.18.
"""

# Imports are the greater part of the time this takes: no pathlib, json, typing or signal.
# ruff: noqa: PTH110, PTH112, PTH116, PTH208

from __future__ import annotations

import ctypes
import errno
import marshal
import os
import resource
import select
import struct
import sys

__all__ = ["filter_program", "landlock_abi", "worded"]

TYPE_CHECKING = False


if TYPE_CHECKING:
    from typing import Final, TypedDict

    class Order(TypedDict):
        """What to confine to. Paths are absolute and exist."""

        landlock: int  # the ABI to use; 0 leaves Landlock out
        seccomp: bool
        network: bool
        processes: int
        readable: list[str]
        folder: str
        cpu_s: int
        memory_bytes: int
        file_bytes: int
        open_files: int
        parent: int  # process id to die with; 0 for none
        life: int  # descriptor that closes when the parent dies; -1 for none
        status: int  # descriptor


def worded(order: Order) -> str:
    """`order` as one word of a command line, for the same interpreter."""
    return marshal.dumps(dict(order)).hex()


_libc = ctypes.CDLL(None, use_errno=True)

_SIGKILL, _SIGPIPE, _SIGXFSZ = 9, 13, 25
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_SECCOMP: Final = 22
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture

# Rights on files, by bit; the second of each pair is the ABI that brought the right.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FIRST_RIGHTS: Final = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_LATER_RIGHTS: Final = ((_REFER, 2), (_TRUNCATE, 3), (_IOCTL_DEVICE, 5))
_MAKE_CHARACTER_DEVICE, _MAKE_SOCKET, _MAKE_BLOCK_DEVICE = 1 << 6, 1 << 9, 1 << 11
_TCP_BIND_AND_CONNECT: Final = 0b11  # ABI 4
_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 0b11  # ABI 6
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

_Call = tuple[int | None, int | None]  # its number on x86-64 and on AArch64


def _calls(table: str) -> dict[str, _Call]:
    """Numbers by name from "name:x86-64:AArch64", empty where the machine has no such call."""
    rows = (row.split(":") for row in table.split())
    return {name: (int(x86) if x86 else None, int(arm) if arm else None) for name, x86, arm in rows}


_FORK: Final = _calls("fork:57: vfork:58:")
_CLONE: Final = _calls("clone:56:220")
# Its flags lie where a filter cannot read; the C library falls back to clone.
_CLONE3: Final = _calls("clone3:435:435")
_SOCKET: Final = _calls("socket:41:198")
_PRCTL: Final = _calls("prctl:157:167")
_PRLIMIT: Final = _calls("prlimit64:302:261")
_TRUNCATE_PATH: Final = _calls("truncate:76:45")
_SIGNALS: Final = _calls(
    "kill:62:129 tkill:200:130 tgkill:234:131 rt_sigqueueinfo:129:138 rt_tgsigqueueinfo:297:240 "
)
# Landlock does not cover them, and programs that copy files insist on them: they succeed and change nothing.
_WITHOUT_EFFECT: Final = _calls(
    "chmod:90: fchmod:91:52 fchmodat:268:53 fchmodat2:452:452 utime:132: utimes:235: utimensat:280:88 "
    "futimesat:261: "
)
_REFUSED: Final = _calls(
    # other processes
    "ptrace:101:117 process_vm_readv:310:270 process_vm_writev:311:271 process_madvise:440:440 "
    "process_mrelease:448:448 kcmp:312:272 pidfd_open:434:434 pidfd_getfd:438:438 "
    "pidfd_send_signal:424:424 "
    # all die with their group
    "setsid:112:157 setpgid:109:154 "
    # namespaces and mounts
    "unshare:272:97 setns:308:268 mount:165:40 umount2:166:39 mount_setattr:442:442 move_mount:429:429 "
    "open_tree:428:428 fsopen:430:430 fsconfig:431:431 fsmount:432:432 fspick:433:433 pivot_root:155:41 "
    "chroot:161:51 "
    # the kernel's own
    "bpf:321:280 perf_event_open:298:241 userfaultfd:323:282 init_module:175:105 finit_module:313:273 "
    "delete_module:176:106 kexec_load:246:104 kexec_file_load:320:294 reboot:169:142 swapon:167:224 "
    "swapoff:168:225 acct:163:89 quotactl:179:60 quotactl_fd:443:443 syslog:103:116 lookup_dcookie:212:18 "
    "nfsservctl:180:42 vhangup:153:58 settimeofday:164:170 clock_settime:227:112 clock_adjtime:305:266 "
    "adjtimex:159:171 sethostname:170:161 setdomainname:171:162 iopl:172: ioperm:173: modify_ldt:154: "
    "uselib:134: sysfs:139: _sysctl:156: personality:135:92 "
    # does what other calls are refused
    "io_uring_setup:425:425 io_uring_enter:426:426 io_uring_register:427:427 execveat:322:281 "
    # keys
    "keyctl:250:219 add_key:248:217 request_key:249:218 "
    # files by handle, and watching them, which Landlock does not cover
    "open_by_handle_at:304:265 name_to_handle_at:303:264 fanotify_init:300:262 fanotify_mark:301:263 "
    "inotify_add_watch:254:27 "
    # attributes of files, which Landlock does not cover
    "chown:92: lchown:94: fchown:93:55 fchownat:260:54 setxattr:188:5 lsetxattr:189:6 fsetxattr:190:7 "
    "removexattr:197:14 lremovexattr:198:15 fremovexattr:199:16 "
    # memory that no limit counts, or that is shared
    "memfd_create:319:279 memfd_secret:447:447 shmget:29:194 shmat:30:196 shmctl:31:195 msgget:68:186 "
    "msgsnd:69:189 msgrcv:70:188 msgctl:71:187 semget:64:190 semop:65:193 semtimedop:220:192 "
    "semctl:66:191 mq_open:240:180 mq_unlink:241:181 mq_timedsend:242:182 mq_timedreceive:243:183 "
    "mq_notify:244:184 mq_getsetattr:245:185 "
    # scheduling, which takes a process
    "sched_setaffinity:203:122 sched_setscheduler:144:119 sched_setparam:142:118 sched_setattr:314:274 "
    "setpriority:141:140 ioprio_set:251:30 migrate_pages:256:238 move_pages:279:239 "
)
_LAST_KNOWN: Final = 456  # of the calls; later ones, which this list has not judged, do not exist
_X32: Final = 0x4000_0000  # first number of x86-64's second table of calls

_MACHINES: Final = {"x86_64": (0, 0xC000_003E), "aarch64": (1, 0xC000_00B7)}  # column, AUDIT_ARCH
_FAMILIES: Final = (2, 10, 16)  # AF_INET, AF_INET6, AF_NETLINK (name resolution lists the addresses)
_CLONE_THREAD: Final = 0x0001_0000
_CLONE_ELSEWHERE: Final = 0x7E02_8000  # CLONE_PARENT and all CLONE_NEW* flags


def landlock_abi() -> int:
    """The Landlock ABI of this kernel; 0 where it has none."""
    return max(0, int(_libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def filter_program(
    machine: str, *, network: bool, processes: int, own_signals: int = 0, keep_files: bool = False
) -> bytes:
    """The seccomp filter for `machine` (as os.uname says), in classic BPF.

    Without `network` there is no socket of any family. With one process, only threads can be made.
    A non-zero `own_signals` is the process id to which signals are restricted; `keep_files` refuses
    truncation by path: for kernels whose Landlock does not know these. Raises KeyError for another
    machine.
    """
    column, architecture = _MACHINES[machine]
    refuse = _returned(errno.EPERM)
    program = [_load(4), _jump_if(_EQUAL, architecture, 1, 0), _ret(0x8000_0000), _load(0)]
    if machine == "x86_64":
        program += [_jump_if(_AT_LEAST, _X32, 0, 1), refuse]
    program += [_jump_if(_GREATER, _LAST_KNOWN, 0, 1), _returned(errno.ENOSYS)]

    def on(calls: dict[str, _Call], *body: bytes) -> None:
        for each in calls.values():
            number = each[column]
            if number is not None:
                program.extend((_jump_if(_EQUAL, number, 0, len(body)), *body))

    def unless_first_is(values: tuple[int, ...]) -> tuple[bytes, ...]:
        tests = [_jump_if(_EQUAL, value, len(values) - place, 0) for place, value in enumerate(values)]
        return (_load(16), *tests, refuse, _ALLOW)

    on(_REFUSED, refuse)
    on(_CLONE3, _returned(errno.ENOSYS))
    on(_WITHOUT_EFFECT, _returned(0))
    on(_PRLIMIT, *unless_first_is((0,)))
    on(_PRCTL, _load(16), _jump_if(_EQUAL, _PR_SET_PDEATHSIG, 0, 1), refuse, _ALLOW)
    if network:
        on(_SOCKET, *unless_first_is(_FAMILIES))
    else:
        on(_SOCKET, refuse)
    if processes == 1:
        on(_FORK, refuse)
        on(_CLONE, _load(16), _jump_if(_ANY_BIT, _CLONE_THREAD, 1, 0), refuse, _ALLOW)
    else:
        on(_CLONE, _load(16), _jump_if(_ANY_BIT, _CLONE_ELSEWHERE, 0, 1), refuse, _ALLOW)
    if own_signals:
        on(_SIGNALS, *unless_first_is((0, own_signals, -own_signals & 0xFFFF_FFFF)))
    if keep_files:
        on(_TRUNCATE_PATH, refuse)
    return b"".join((*program, _ALLOW))


# One instruction of classic BPF: code, jump if true, jump if false, constant.
_EQUAL, _GREATER, _AT_LEAST, _ANY_BIT = 0x15, 0x25, 0x35, 0x45


def _jump_if(test: int, value: int, true: int, false: int) -> bytes:
    return struct.pack("=HBBI", test, true, false, value)


def _load(offset: int) -> bytes:
    """Load 32 bits of seccomp_data: the call's number at 0, architecture at 4, arguments from 16."""
    return struct.pack("=HBBI", 0x20, 0, 0, offset)


def _ret(value: int) -> bytes:
    return struct.pack("=HBBI", 0x06, 0, 0, value)


def _returned(code: int) -> bytes:
    return _ret(0x0005_0000 | code)


_ALLOW: Final = _ret(0x7FFF_0000)


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def _restrict_files(order: Order) -> None:
    abi = order["landlock"]
    handled = _FIRST_RIGHTS | sum(right for right, since in _LATER_RIGHTS if abi >= since)
    attributes = struct.pack("=Q", handled)
    if abi >= 4:
        attributes += struct.pack("=Q", 0 if order["network"] else _TCP_BIND_AND_CONNECT)
    if abi >= 6:
        attributes += struct.pack("=Q", _ABSTRACT_SOCKETS_AND_SIGNALS)
    ruleset = _checked(
        int(
            _libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
        ),
        "landlock_create_ruleset",
    )
    reading = _EXECUTE | _READ_FILE | _READ_DIR
    for path in order["readable"]:
        _grant(ruleset, path, reading)
    for path in _DEVICES:
        if os.path.exists(path):
            _grant(ruleset, path, _READ_FILE | _WRITE_FILE)
    # Nothing that is written can be executed.
    no = _EXECUTE | _MAKE_CHARACTER_DEVICE | _MAKE_BLOCK_DEVICE | _MAKE_SOCKET | _IOCTL_DEVICE
    _grant(ruleset, order["folder"], handled & ~no)
    _checked(int(_libc.syscall(_LANDLOCK_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))), "landlock")
    os.close(ruleset)


def _grant(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not os.path.isdir(path):
        rights &= _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
    rule = struct.pack("=Qi", rights, descriptor)
    result = _libc.syscall(_LANDLOCK_ADD, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint32(0))
    _checked(int(result), f"landlock rule for {path}")
    os.close(descriptor)


def _restrict_calls(order: Order) -> None:
    abi = order["landlock"]
    program = filter_program(
        os.uname().machine,
        network=order["network"],
        processes=order["processes"],
        own_signals=os.getpid() if 0 < abi < 6 else 0,
        keep_files=0 < abi < 3,
    )
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    _checked(int(_libc.prctl(_PR_SET_SECCOMP, 2, header, 0, 0)), "seccomp")


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    """Lower a limit; one that is lower already stays."""
    _, most = resource.getrlimit(which)
    hard = soft if hard is None else hard
    hard = hard if most == resource.RLIM_INFINITY else min(hard, most)
    resource.setrlimit(which, (min(soft, hard), hard))


def _take_limits(order: Order) -> None:
    _limit(resource.RLIMIT_CPU, order["cpu_s"], order["cpu_s"] + 1)
    _limit(resource.RLIMIT_FSIZE, order["file_bytes"])
    _limit(resource.RLIMIT_NOFILE, order["open_files"])
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, order["memory_bytes"])


def _threads_of(uid: int) -> int:
    """How many threads the user has now."""
    running = 0
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{process}").st_uid == uid:
                running += len(os.listdir(f"/proc/{process}/task"))
        except OSError:
            continue  # it ended meanwhile
    return running


def _give_up_capabilities() -> None:
    """Of all programs that are executed from now on; only root has any."""
    capability = 0
    while _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1


def _stay(life: int) -> None:
    """Fork. This process stays, to kill the whole group when the other end of `life` closes, and ends as
    the program does; the other returns. (A process alone just dies with its parent.)"""
    child = os.fork()
    if child == 0:
        os.close(life)
        return
    ended = os.pidfd_open(child)
    if life in select.select((life, ended), (), ())[0]:
        os.killpg(0, _SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)


def _confine(order: Order) -> None:
    sandboxed = bool(order["landlock"] or order["seccomp"])
    root = os.getuid() == 0
    # A limit of processes counts all threads of the user, and does not hold for root, who becomes a user
    # from the range that systemd keeps for those that exist only while a service runs.
    uid = 61184 + os.getpid() % 4336 if root else os.getuid()
    limited = sandboxed and order["processes"] > 1
    running = _threads_of(uid) - (not root) if limited else 0
    if sandboxed:
        _checked(int(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)), "no_new_privs")
    if order["landlock"]:
        _restrict_files(order)
    os.chdir(order["folder"])
    if sandboxed and root:
        _give_up_capabilities()
    if limited:
        _limit(resource.RLIMIT_NPROC, running + order["processes"] + (order["life"] >= 0))
        if root:
            os.chown(order["folder"], uid, uid)
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
    _take_limits(order)
    parent = order["parent"]
    if order["life"] >= 0:
        parent = os.getpid()
        _stay(order["life"])
    if parent:
        _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
    # The interpreter ignores these two, and what is ignored stays so in the program.
    for number in (_SIGPIPE, _SIGXFSZ):
        _libc.signal(number, None)
    if order["seccomp"]:
        _restrict_calls(order)


def main() -> None:
    """See the module."""
    order: Order = marshal.loads(bytes.fromhex(sys.argv[1]))
    command = sys.argv[2:]
    status = order["status"]
    os.set_inheritable(status, False)
    try:
        _confine(order)
        os.write(status, b"+")
        os.execv(command[0], command)
    except (OSError, KeyError, ValueError) as error:
        os.write(status, f"{type(error).__name__}: {error}".encode())
        os._exit(1)


if __name__ == "__main__":
    main()
