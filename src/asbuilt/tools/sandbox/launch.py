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

# Numbers of system calls: (x86-64, AArch64), None where there is none. From 424 on they are the same.
_Call = tuple[int | None, int | None]
_FORK: Final = ((57, None), (58, None))
_CLONE: Final = (56, 220)
_SOCKET: Final = (41, 198)
_PRCTL: Final = (157, 167)
_TRUNCATE_PATH: Final = (76, 45)
# First argument: a process that must be the caller itself (0).
_ON_SELF_ONLY: Final = ((302, 261),)  # prlimit64
# kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo
_SIGNALS: Final = ((62, 129), (200, 130), (234, 131), (129, 138), (297, 240))
# clone3, whose flags a filter cannot read; the C library falls back to clone.
_UNKNOWN: Final = ((435, 435),)
# chmod, fchmod, fchmodat, fchmodat2, utime, utimes, utimensat, futimesat: Landlock does not cover them,
# and programs that copy files insist on them. They succeed and change nothing.
_WITHOUT_EFFECT: Final = (
    *((90, None), (91, 52), (268, 53), (452, 452)),
    *((132, None), (235, None), (280, 88), (261, None)),
)
_REFUSED: Final[tuple[_Call, ...]] = (
    # ptrace, process_vm_readv, process_vm_writev, process_madvise, process_mrelease, kcmp
    *((101, 117), (310, 270), (311, 271), (440, 440), (448, 448), (312, 272)),
    # pidfd_open, pidfd_getfd, pidfd_send_signal
    *((434, 434), (438, 438), (424, 424)),
    # setsid, setpgid (all die with their group), unshare, setns, execveat, personality
    *((112, 157), (109, 154), (272, 97), (308, 268), (322, 281), (135, 92)),
    # mount, umount2, mount_setattr, move_mount, open_tree, fsopen, fsconfig, fsmount, fspick
    *((165, 40), (166, 39), (442, 442), (429, 429), (428, 428)),
    *((430, 430), (431, 431), (432, 432), (433, 433)),
    # pivot_root, chroot, bpf, perf_event_open, userfaultfd
    *((155, 41), (161, 51), (321, 280), (298, 241), (323, 282)),
    # io_uring_setup, io_uring_enter, io_uring_register: they do what other calls are refused
    *((425, 425), (426, 426), (427, 427)),
    # memfd_create, memfd_secret: memory that no limit counts
    *((319, 279), (447, 447)),
    # keyctl, add_key, request_key
    *((250, 219), (248, 217), (249, 218)),
    # init_module, finit_module, delete_module, kexec_load, kexec_file_load, reboot, swapon, swapoff
    *((175, 105), (313, 273), (176, 106), (246, 104), (320, 294), (169, 142), (167, 224), (168, 225)),
    # acct, quotactl, quotactl_fd, syslog, lookup_dcookie, nfsservctl, vhangup
    *((163, 89), (179, 60), (443, 443), (103, 116), (212, 18), (180, 42), (153, 58)),
    # settimeofday, clock_settime, clock_adjtime, adjtimex, sethostname, setdomainname
    *((164, 170), (227, 112), (305, 266), (159, 171), (170, 161), (171, 162)),
    # iopl, ioperm, modify_ldt, uselib, sysfs, _sysctl
    *((172, None), (173, None), (154, None), (134, None), (139, None), (156, None)),
    # open_by_handle_at, name_to_handle_at, fanotify_init, fanotify_mark, inotify_add_watch
    *((304, 265), (303, 264), (300, 262), (301, 263), (254, 27)),
    # shmget, shmat, shmctl, msgget, msgsnd, msgrcv, msgctl, semget, semop, semtimedop, semctl
    *((29, 194), (30, 196), (31, 195), (68, 186), (69, 189), (70, 188), (71, 187)),
    *((64, 190), (65, 193), (220, 192), (66, 191)),
    # mq_open, mq_unlink, mq_timedsend, mq_timedreceive, mq_notify, mq_getsetattr
    *((240, 180), (241, 181), (242, 182), (243, 183), (244, 184), (245, 185)),
    # sched_setaffinity, sched_setscheduler, sched_setparam, sched_setattr, setpriority, ioprio_set
    *((203, 122), (144, 119), (142, 118), (314, 274), (141, 140), (251, 30)),
    # migrate_pages, move_pages
    *((256, 238), (279, 239)),
    # chown, lchown, fchown, fchownat
    *((92, None), (94, None), (93, 55), (260, 54)),
    # setxattr, lsetxattr, fsetxattr, removexattr, lremovexattr, fremovexattr
    *((188, 5), (189, 6), (190, 7), (197, 14), (198, 15), (199, 16)),
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

    def on(calls: tuple[_Call, ...], *body: bytes) -> None:
        for each in calls:
            number = each[column]
            if number is not None:
                program.extend((_jump_if(_EQUAL, number, 0, len(body)), *body))

    def unless_first_is(values: tuple[int, ...]) -> tuple[bytes, ...]:
        tests = [_jump_if(_EQUAL, value, len(values) - place, 0) for place, value in enumerate(values)]
        return (_load(16), *tests, refuse, _ALLOW)

    on(_REFUSED, refuse)
    on(_UNKNOWN, _returned(errno.ENOSYS))
    on(_WITHOUT_EFFECT, _returned(0))
    on(_ON_SELF_ONLY, *unless_first_is((0,)))
    on((_PRCTL,), _load(16), _jump_if(_EQUAL, _PR_SET_PDEATHSIG, 0, 1), refuse, _ALLOW)
    if network:
        on((_SOCKET,), *unless_first_is(_FAMILIES))
    else:
        on((_SOCKET,), refuse)
    if processes == 1:
        on(_FORK, refuse)
        on((_CLONE,), _load(16), _jump_if(_ANY_BIT, _CLONE_THREAD, 1, 0), refuse, _ALLOW)
    else:
        on((_CLONE,), _load(16), _jump_if(_ANY_BIT, _CLONE_ELSEWHERE, 0, 1), refuse, _ALLOW)
    if own_signals:
        on(_SIGNALS, *unless_first_is((0, own_signals, -own_signals & 0xFFFF_FFFF)))
    if keep_files:
        on((_TRUNCATE_PATH,), refuse)
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
