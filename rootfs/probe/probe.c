/*
 * The guest of the live tests: prints one JSON object about what a process sees. It is static, needs nothing of its image,
 * and reads the kernel's own interfaces only.
 *
 *   probe                  the report
 *   probe exit N           end with that status
 *   probe kill N           end by that signal
 *   probe sleep SECONDS    wait; SIGTERM has its default action
 *   probe stubborn SECONDS wait, ignoring SIGTERM
 *   probe signals          print the name of each signal that arrives; SIGTERM ends it with status 7
 *   probe out BYTES        that much output
 *   probe cat              standard input to standard output
 *   probe spawn N          N children that sleep, then report; the children stay
 *   probe write PATH TEXT  / probe read PATH / probe stat PATH: what happens, as JSON
 *   probe try WHAT ARG…    an operation that may be forbidden, as {"ok":true} or {"errno":N}
 *   probe calls [i]NR[,ARG…]…  the errno of each of these system calls, 0 for none; "i": through the 32-bit entry of x86
 *   probe tty              what is known of the terminal
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char **environ;

static void text(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void texts(const char *name, char **list)
{
	printf("\"%s\":[", name);
	for (int i = 0; list[i]; i++) {
		if (i)
			putchar(',');
		text(list[i]);
	}
	printf("],");
}

static char *slurp(const char *path)
{
	static char buffer[1 << 18];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, total = 0;

	if (fd < 0)
		return NULL;
	while ((n = read(fd, buffer + total, sizeof(buffer) - 1 - (size_t)total)) > 0)
		total += n;
	close(fd);
	buffer[total] = 0;
	return buffer;
}

/* "Name:\tvalue" of /proc/self/status, the value as text. */
static void status_field(const char *json, const char *field)
{
	char *all = slurp("/proc/self/status"), line[64], *at;

	snprintf(line, sizeof(line), "\n%s:\t", field);
	at = all ? strstr(all, line) : NULL;
	printf("\"%s\":", json);
	if (!at) {
		printf("null,");
		return;
	}
	at += strlen(line);
	*strchrnul(at, '\n') = 0;
	text(at);
	putchar(',');
}

static void ids(void)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg, groups[4096];
	int n;

	getresuid(&ru, &eu, &su);
	getresgid(&rg, &eg, &sg);
	printf("\"uid\":[%u,%u,%u],\"gid\":[%u,%u,%u],\"groups\":[", ru, eu, su, rg, eg, sg);
	n = getgroups(4096, groups);
	for (int i = 0; i < n; i++)
		printf("%s%u", i ? "," : "", groups[i]);
	printf("],");
}

static void limits(void)
{
	static const char *names[] = { "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE",
				       "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME" };

	printf("\"rlimits\":{");
	for (int i = 0; i < 16; i++) {
		struct rlimit r;

		getrlimit(i, &r);
		printf("%s\"%s\":[%lld,%lld]", i ? "," : "", names[i], (long long)r.rlim_cur, (long long)r.rlim_max);
	}
	printf("},");
}

static void links(const char *json, const char *directory)
{
	DIR *d = opendir(directory);
	struct dirent *e;
	int first = 1;

	printf("\"%s\":{", json);
	while (d && (e = readdir(d))) {
		char path[512], target[4096];
		ssize_t n;

		if (e->d_name[0] == '.' || (!strcmp(json, "fds") && atoi(e->d_name) == dirfd(d)))
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, e->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = 0;
		printf("%s\"%s\":", first ? "" : ",", e->d_name);
		text(target);
		first = 0;
	}
	if (d)
		closedir(d);
	printf("},");
}

/* mountinfo(5): kept as fields, the comparing is the test's. */
static void mounts(void)
{
	char *all = slurp("/proc/self/mountinfo"), *line, *save;

	printf("\"mounts\":[");
	for (line = all ? strtok_r(all, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		text(line);
		if (*save)
			putchar(',');
	}
	printf("],");
}

static const char *kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR: return "directory";
	case S_IFREG: return "file";
	case S_IFCHR: return "char";
	case S_IFBLK: return "block";
	case S_IFIFO: return "fifo";
	case S_IFLNK: return "link";
	default: return "socket";
	}
}

static void stat_fields(const char *path)
{
	struct stat st;

	if (lstat(path, &st)) {
		printf("{\"errno\":%d}", errno);
		return;
	}
	printf("{\"type\":\"%s\",\"mode\":\"%04o\",\"uid\":%u,\"gid\":%u", kind(st.st_mode), st.st_mode & 07777, st.st_uid, st.st_gid);
	if (S_ISREG(st.st_mode))
		printf(",\"size\":%lld", (long long)st.st_size);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		printf(",\"device\":\"%u:%u\"", major(st.st_rdev), minor(st.st_rdev));
	if (S_ISLNK(st.st_mode)) {
		char target[4096];
		ssize_t n = readlink(path, target, sizeof(target) - 1);

		target[n < 0 ? 0 : n] = 0;
		printf(",\"target\":");
		text(target);
	}
	putchar('}');
}

static void devices(void)
{
	struct dirent **list;
	int n = scandir("/dev", &list, NULL, alphasort), first = 1;

	printf("\"devices\":{");
	for (int i = 0; i < n; i++) {
		char path[512];

		if (list[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/dev/%s", list[i]->d_name);
		printf("%s\"%s\":", first ? "" : ",", list[i]->d_name);
		stat_fields(path);
		first = 0;
	}
	printf("},");
}

static void processes(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int first = 1;

	printf("\"processes\":[");
	while (d && (e = readdir(d))) {
		char path[512], *comm;

		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		comm = slurp(path);
		if (!comm)
			continue;
		*strchrnul(comm, '\n') = 0;
		printf("%s[%s,", first ? "" : ",", e->d_name);
		text(comm);
		putchar(']');
		first = 0;
	}
	if (d)
		closedir(d);
	printf("],");
}

static void interfaces(void)
{
	struct if_nameindex *list = if_nameindex();
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	printf("\"interfaces\":{");
	for (int i = 0; list && list[i].if_index; i++) {
		struct ifreq request = { 0 };

		strncpy(request.ifr_name, list[i].if_name, IFNAMSIZ - 1);
		ioctl(fd, SIOCGIFFLAGS, &request);
		printf("%s\"%s\":%s", i ? "," : "", list[i].if_name, request.ifr_flags & IFF_UP ? "\"up\"" : "\"down\"");
	}
	if (list)
		if_freenameindex(list);
	close(fd);
	printf("},");
}

static void root_access(void)
{
	int fd = open("/.probe", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	printf("\"rootWritable\":");
	if (fd < 0) {
		printf("%d,", errno);
		return;
	}
	close(fd);
	unlink("/.probe");
	printf("true,");
}

static int report(char **argv)
{
	char cwd[4096] = "";
	struct utsname uts;
	mode_t mask = umask(0);
	cpu_set_t cpus;
	int deathsig = 0;
	char *oom;

	umask(mask);
	uname(&uts);
	syscall(SYS_getcwd, cwd, sizeof(cwd));
	prctl(PR_GET_PDEATHSIG, &deathsig);
	CPU_ZERO(&cpus);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	printf("{\"pid\":%d,\"ppid\":%d,\"sid\":%d,\"pgid\":%d,", getpid(), getppid(), getsid(0), getpgrp());
	ids();
	status_field("capInh", "CapInh");
	status_field("capPrm", "CapPrm");
	status_field("capEff", "CapEff");
	status_field("capBnd", "CapBnd");
	status_field("capAmb", "CapAmb");
	status_field("noNewPrivs", "NoNewPrivs");
	status_field("seccomp", "Seccomp");
	status_field("sigBlk", "SigBlk");
	status_field("sigIgn", "SigIgn");
	status_field("sigCgt", "SigCgt");
	printf("\"umask\":\"%04o\",\"cwd\":", mask);
	text(cwd);
	printf(",\"hostname\":");
	text(uts.nodename);
	printf(",\"domainname\":");
	text(uts.domainname);
	putchar(',');
	texts("argv", argv);
	texts("env", environ);
	limits();
	links("fds", "/proc/self/fd");
	links("namespaces", "/proc/self/ns");
	mounts();
	devices();
	processes();
	interfaces();
	root_access();
	oom = slurp("/proc/self/oom_score_adj");
	printf("\"oomScoreAdj\":%d,", oom ? atoi(oom) : 0);
	printf("\"tty\":[%d,%d,%d],", isatty(0), isatty(1), isatty(2));
	printf("\"deathSignal\":%d,\"dumpable\":%d,\"securebits\":%d,\"cpus\":%d,", deathsig, prctl(PR_GET_DUMPABLE), prctl(PR_GET_SECUREBITS), CPU_COUNT(&cpus));
	printf("\"cgroup\":");
	{
		char *cgroup = slurp("/proc/self/cgroup");

		text(cgroup ? cgroup : "");
	}
	printf("}\n");
	return 0;
}

static int outcome(long ret)
{
	if (ret < 0)
		printf("{\"errno\":%d}\n", errno);
	else
		printf("{\"ok\":true}\n");
	return 0;
}

static long bind_port(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return bind(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&address, sizeof(address));
}

static int try(const char *what, char **args)
{
	const char *first = args[0] ? args[0] : "";

	if (!strcmp(what, "mount"))
		return outcome(mount("none", "/tmp", "tmpfs", 0, NULL));
	if (!strcmp(what, "umount"))
		return outcome(umount2(first, MNT_DETACH));
	if (!strcmp(what, "mknod"))
		return outcome(mknod("/tmp/.probe-node", S_IFCHR | 0600, makedev(1, 3)));
	if (!strcmp(what, "sethostname"))
		return outcome(sethostname("probe", 5));
	if (!strcmp(what, "setuid"))
		return outcome(setuid((uid_t)atoi(first)));
	if (!strcmp(what, "chown"))
		return outcome(chown(first, 1, 1));
	if (!strcmp(what, "chroot"))
		return outcome(chroot("/"));
	if (!strcmp(what, "unshare"))
		return outcome(unshare(CLONE_NEWNS));
	if (!strcmp(what, "ptrace"))
		return outcome(ptrace(PTRACE_ATTACH, atoi(first), NULL, NULL));
	if (!strcmp(what, "kill"))
		return outcome(kill(atoi(first), 0));
	if (!strcmp(what, "open"))
		return outcome(open(first, O_RDWR | O_CLOEXEC | O_NONBLOCK));
	if (!strcmp(what, "list"))
		return outcome(opendir(first) ? 0 : -1);
	if (!strcmp(what, "bind"))
		return outcome(bind_port(atoi(first)));
	if (!strcmp(what, "raw-socket"))
		return outcome(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1));
	if (!strcmp(what, "settime"))
		return outcome(syscall(SYS_clock_settime, 0, NULL) < 0 && errno == EFAULT ? 0 : -1);
	return 2;
}

static volatile sig_atomic_t got;

static void on_signal(int signal)
{
	got = signal;
}

static int show_signals(void)
{
	static const int list[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGQUIT };
	sigset_t all, old;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	for (unsigned i = 0; i < sizeof(list) / sizeof(*list); i++)
		signal(list[i], on_signal);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		sigsuspend(&old);
		printf("SIG%s\n", sigabbrev_np(got));
		fflush(stdout);
		if (got == SIGTERM)
			return 7;
	}
}

static int tty_report(void)
{
	struct winsize size = { 0 };

	ioctl(0, TIOCGWINSZ, &size);
	printf("{\"tty\":[%d,%d,%d],\"name\":", isatty(0), isatty(1), isatty(2));
	text(ttyname(0) ? ttyname(0) : "");
	printf(",\"rows\":%d,\"columns\":%d,\"sid\":%d,\"pid\":%d,\"foreground\":%d}\n", size.ws_row, size.ws_col, getsid(0), getpid(), tcgetpgrp(0));
	return 0;
}

static int copy(int from)
{
	char buffer[65536];
	ssize_t n;

	while ((n = read(from, buffer, sizeof(buffer))) > 0)
		if (write(1, buffer, (size_t)n) != n)
			return 1;
	return n < 0;
}

static int output(long long bytes)
{
	char line[64];

	memset(line, 'x', sizeof(line));
	line[63] = '\n';
	for (; bytes >= 64; bytes -= 64)
		fwrite(line, 1, 64, stdout);
	return fflush(stdout) != 0;
}

static int spawn(int count)
{
	for (int i = 0; i < count; i++)
		if (fork() == 0) {
			sleep(1000);
			_exit(0);
		}
	printf("spawned\n");
	return 0;
}

/* Prints each executable that some process of this PID namespace is seen to have, once, and whether it can be written. */
static _Noreturn void watch(void)
{
	static char seen[64][256];
	int count = 0;

	for (;;) {
		DIR *proc = opendir("/proc");
		struct dirent *entry;

		while (proc && (entry = readdir(proc))) {
			char path[300], name[256];
			ssize_t length;
			int i = 0;

			if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
				continue;
			snprintf(path, sizeof(path), "/proc/%s/exe", entry->d_name);
			length = readlink(path, name, sizeof(name) - 1);
			if (length <= 0)
				continue;
			name[length] = 0;
			while (i < count && strcmp(seen[i], name))
				i++;
			if (i < count || count == 64)
				continue;
			strcpy(seen[count++], name);
			printf("saw %s%s\n", name, open(path, O_WRONLY | O_CLOEXEC) < 0 ? "" : " and can write to it");
			fflush(stdout);
		}
		if (proc)
			closedir(proc);
	}
}

/* The way into the kernel that 32-bit programs of x86 take. */
static long call32(const unsigned long *v)
{
#if defined(__x86_64__)
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(v[0]), "b"(v[1]), "c"(v[2]), "d"(v[3])
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
#else
	(void)v;
	return -ENOSYS;
#endif
}

static int calls(char **list)
{
	putchar('[');
	for (int i = 0; list[i]; i++) {
		int is32 = list[i][0] == 'i';
		unsigned long v[7] = { 0 };
		char *at = list[i] + is32;
		long ret;

		for (int k = 0; k < 7 && *at; k++) {
			v[k] = strtoul(at, &at, 0);
			if (*at == ',')
				at++;
		}
		if (is32)
			ret = call32(v);
		else
			ret = syscall((long)v[0], v[1], v[2], v[3], v[4], v[5], v[6]) < 0 ? -errno : 0;
		printf("%s%ld", i ? "," : "", ret < 0 ? -ret : 0);
	}
	puts("]");
	return 0;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	const char *first = argc > 2 ? argv[2] : "";

	if (!strcmp(command, "exit"))
		return atoi(first);
	if (!strcmp(command, "kill")) {
		signal(atoi(first), SIG_DFL);
		kill(getpid(), atoi(first));
		/* PID 1 of a namespace is not killed by its own signals. */
		return 99;
	}
	if (!strcmp(command, "sleep"))
		return (int)sleep((unsigned)atoi(first));
	if (!strcmp(command, "stubborn")) {
		signal(SIGTERM, SIG_IGN);
		return (int)sleep((unsigned)atoi(first));
	}
	if (!strcmp(command, "signals"))
		return show_signals();
	if (!strcmp(command, "out"))
		return output(atoll(first));
	if (!strcmp(command, "cat"))
		return copy(0);
	if (!strcmp(command, "spawn"))
		return spawn(atoi(first));
	if (!strcmp(command, "watch"))
		watch();
	if (!strcmp(command, "calls"))
		return calls(argv + 2);
	if (!strcmp(command, "tty"))
		return tty_report();
	if (!strcmp(command, "read")) {
		int fd = open(first, O_RDONLY | O_CLOEXEC);

		return fd < 0 ? outcome(fd) : copy(fd);
	}
	if (!strcmp(command, "write") && argc > 3) {
		int fd = open(first, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		return outcome(fd < 0 ? fd : write(fd, argv[3], strlen(argv[3])));
	}
	if (!strcmp(command, "stat")) {
		stat_fields(first);
		putchar('\n');
		return 0;
	}
	if (!strcmp(command, "try"))
		return try(first, argv + 3 > argv + argc ? argv + argc : argv + 3);
	return report(argv);
}
