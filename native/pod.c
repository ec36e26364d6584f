/*
 * podspace-shim as the keeper of a detached pod (argv[0] "/pod"): parent of its containers, copies what they print into log
 * files in the CRI format, writes down how they ended, and holds what must last as long as the pod (namespaces, locks). It
 * knows nothing of pods: whoever is connected decides. When nobody is, it goes on, and a later agent finds the records.
 *
 * Records: a file for each container attempt, by its id: "PID SECONDS NANOSECONDS\n" while it runs, and at its end one more
 * line "STATUS SECONDS NANOSECONDS CPU-MICROSECONDS MAXRSS-KILOBYTES\n".
 */
#include <linux/errno.h>
#include <linux/sched.h>
#include <linux/signal.h>

#include "podspace.h"
#include "shim.h"
#include "syscall.h"

#define SLOTS 96
#define STREAMS 2
#define TEES 4
#define LINE 16384 /* a longer line is cut into parts, as containerd does */
#define HELD 4
#define READS 160 /* at once: what a pipe may hold, and then it is the turn of others */
#define FIRST_FD 3
#define SCRATCH_FD 512
#define RETRY_MILLISECONDS 200

enum { OP_KEEP, OP_LOG, OP_COPY, OP_HOLD, OP_TEE, OP_RUN, OP_QUIT, OP_RELEASE };

struct request {
	uint32_t op, argument;
	uint64_t flags;
	char id[112];
};

struct stream {
	int fd; /* -1: at its end */
	uint32_t length;
	char *buffer;
};

struct slot {
	char id[112];
	char record[160]; /* the text of its file */
	int32_t pid;	  /* 0: not started, or ended */
	int64_t started[2];
	int sibling, log, is_used, is_ended;
	int is_unwritten; /* so many times more it is written */
	int held[HELD], tee[TEES];
	struct stream stream[STREAMS];
};

static struct slot slots[SLOTS];
static char buffers[SLOTS][STREAMS][LINE];
static char output[2 * LINE];
static int directory, connection = -1;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		ps_sys1(__NR_close, *fd);
	*fd = -1;
}

static char *put(char *at, const char *text)
{
	while (*text)
		*at++ = *text++;
	return at;
}

/* A number in decimal, with zeros in front up to so many digits, and what comes after it. */
static char *number(char *at, uint64_t value, int digits, char after)
{
	char text[20];
	int count = 0;

	do
		text[count++] = (char)('0' + value % 10);
	while ((value /= 10) || count < digits);
	while (count)
		*at++ = text[--count];
	*at++ = after;
	return at;
}

static void say(const char *from, const char *to)
{
	if (connection >= 0 && ps_syscall6(__NR_sendto, (uint64_t)connection, (uint64_t)(uintptr_t)from,
					   (uint64_t)(to - from), 0x4000 /* MSG_NOSIGNAL */, 0, 0) != to - from)
		ps_sys2(__NR_shutdown, connection, 2); /* seen at the next poll */
}

/* "WORD ID TEXT": what happened, for who is connected. */
static void tell(const char *word, const char *id, const char *text)
{
	char line[320], *at = put(line, word);

	*at++ = ' ';
	at = put(at, id);
	*at++ = ' ';
	say(line, put(at, text));
}

static struct slot *find(const char *id, int is_made)
{
	struct slot *empty = 0;

	for (struct slot *slot = slots; slot < slots + SLOTS; slot++) {
		if (slot->is_used && ps_same(slot->id, id))
			return slot;
		if (!slot->is_used && !empty)
			empty = slot;
	}
	if (!empty || !is_made)
		return 0;
	*empty = (struct slot){ .sibling = -1, .log = -1, .is_used = 1 };
	put(empty->id, id);
	for (int i = 0; i < HELD; i++)
		empty->held[i] = -1;
	for (int i = 0; i < TEES; i++)
		empty->tee[i] = -1;
	for (int i = 0; i < STREAMS; i++)
		empty->stream[i] = (struct stream){ -1, 0, buffers[empty - slots][i] };
	return empty;
}

static void free_slot(struct slot *slot)
{
	for (int i = 0; i < HELD; i++)
		close_fd(&slot->held[i]);
	for (int i = 0; i < TEES; i++)
		close_fd(&slot->tee[i]);
	for (int i = 0; i < STREAMS; i++)
		close_fd(&slot->stream[i].fd);
	close_fd(&slot->log);
	close_fd(&slot->sibling);
	slot->is_used = 0;
}

static int is_over(const struct slot *slot)
{
	return slot->is_ended && !slot->is_unwritten && slot->stream[0].fd < 0 && slot->stream[1].fd < 0;
}

/* Nobody has said yet what is to run there, and nobody will. */
static void disconnect(void)
{
	close_fd(&connection);
	for (struct slot *slot = slots; slot < slots + SLOTS; slot++)
		if (slot->is_used && !slot->pid && !slot->is_ended)
			free_slot(slot);
}

/* Appears as a whole, or stays as it was until there is room again. A pod whose directory somebody has removed ends. */
static void write_record(struct slot *slot)
{
	char *end = slot->record;
	long fd, written;

	while (*end)
		end++;
	fd = ps_sys4(__NR_openat, directory, ".new", 01101 /* O_WRONLY|O_CREAT|O_TRUNC */, 0600);
	if (fd == -ENOENT)
		ps_exit(1);
	written = fd < 0 ? fd : ps_sys3(__NR_write, fd, slot->record, end - slot->record);
	if (fd >= 0)
		ps_sys1(__NR_close, fd);
	if (written != end - slot->record || ps_sys5(__NR_renameat2, directory, ".new", directory, slot->id, 0) < 0)
		slot->is_unwritten = 2; /* who has read the file before it was there is connected by the second time */
	else if (slot->is_unwritten)
		slot->is_unwritten--;
}

/* RFC 3339 with nanoseconds. Howard Hinnant's days_to_civil, without years before 1970. */
static char *timestamp(char *at)
{
	int64_t now[2];
	uint64_t days, era, day, year, month;

	ps_sys2(__NR_clock_gettime, 0 /* CLOCK_REALTIME */, now);
	days = (uint64_t)now[0] / 86400 + 719468;
	era = days / 146097;
	day = days % 146097;
	year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	year += era * 400 + (month >= 10);
	at = number(at, year, 4, '-');
	at = number(at, month < 10 ? month + 3 : month - 9, 2, '-');
	at = number(at, day + 1, 2, 'T');
	at = number(at, (uint64_t)now[0] / 3600 % 24, 2, ':');
	at = number(at, (uint64_t)now[0] / 60 % 60, 2, ':');
	at = number(at, (uint64_t)now[0] % 60, 2, '.');
	return number(at, (uint64_t)now[1], 9, 'Z');
}

/*
 * Lines that are whole go to the log in one write, or stay where they are: a full disk neither loses nor doubles one. 1 if
 * there may be more of them, 0 if not, -1 if it has to be tried again.
 */
static int log_lines(struct slot *slot, int which, int is_end)
{
	struct stream *stream = &slot->stream[which];
	uint32_t from = 0;
	char *at = output;
	long size, written;

	for (uint32_t i = 0; i < stream->length; i++) {
		int is_line = stream->buffer[i] == '\n';

		if (!is_line && !(i + 1 == stream->length && (is_end || i + 1 - from == LINE)))
			continue;
		if ((uint32_t)(at - output) + (i - from) + 64 > sizeof(output))
			break;
		at = put(timestamp(at), which ? " stderr " : " stdout ");
		*at++ = is_line ? 'F' : 'P';
		*at++ = ' ';
		for (; from < i + !is_line; from++)
			*at++ = stream->buffer[from];
		*at++ = '\n';
		from = i + 1;
	}
	if (at == output)
		return 0;
	size = ps_sys3(__NR_lseek, slot->log, 0, 2 /* SEEK_END */);
	written = slot->log < 0 ? at - output : ps_sys3(__NR_write, slot->log, output, at - output);
	if (written != at - output) {
		if (written > 0)
			ps_sys2(__NR_ftruncate, slot->log, size);
		return -1;
	}
	for (uint32_t i = from; i < stream->length; i++)
		stream->buffer[i - from] = stream->buffer[i];
	stream->length -= from;
	return 1;
}

static int flush(struct slot *slot, int which, int is_end)
{
	int result;

	while ((result = log_lines(slot, which, is_end)) > 0)
		;
	return result == 0;
}

/* What has come so far; false if some of it could not be written yet. */
static int copy(struct slot *slot, int which)
{
	struct stream *stream = &slot->stream[which];
	long size;

	for (int i = 0; i < READS && stream->fd >= 0; i++) {
		if (stream->length == LINE && !flush(slot, which, 0))
			return 0;
		size = ps_sys3(__NR_read, stream->fd, stream->buffer + stream->length, LINE - stream->length);
		if (size == -EAGAIN || size == -EINTR)
			return flush(slot, which, 0);
		if (size <= 0) { /* EIO is the end of a terminal */
			if (!flush(slot, which, 1))
				return 0;
			close_fd(&stream->fd);
			return 1;
		}
		for (int i = 0; i < TEES; i++)
			if (slot->tee[i] >= 0 &&
			    ps_syscall6(__NR_sendto, (uint64_t)slot->tee[i],
					(uint64_t)(uintptr_t)(stream->buffer + stream->length), (uint64_t)size,
					0x4000, 0, 0) != size)
				close_fd(&slot->tee[i]);
		stream->length += (uint32_t)size;
		if (!flush(slot, which, 0))
			return 0;
	}
	return 1;
}

/* How it ended, to who is connected now: its file may still lack that. */
static void tell_end(struct slot *slot)
{
	const char *end = slot->record;

	while (*end++ != '\n')
		;
	tell("exited", slot->id, end);
}

/* It runs; as that process from now on. */
static void record_start(struct slot *slot)
{
	char *at = number(slot->record, (uint64_t)slot->pid, 1, ' ');

	at = number(at, (uint64_t)slot->started[0], 1, ' ');
	*number(at, (uint64_t)slot->started[1], 1, '\n') = 0;
	write_record(slot);
}

/* The process that a program started in may have gone on in a sibling: that one is the container then. */
static void reap(struct slot *slot)
{
	int64_t usage[18], now[2];
	int32_t status, sibling;
	char *end, *at;

	while (slot->pid && ps_sys4(__NR_wait4, slot->pid, &status, 1 /* WNOHANG */, usage) > 0) {
		sibling = 0;
		if (slot->sibling >= 0)
			ps_sys4(__NR_pread64, slot->sibling, &sibling, 4, 0);
		close_fd(&slot->sibling);
		slot->pid = sibling;
		if (sibling > 0) {
			record_start(slot);
			continue;
		}
		/* A line without an end too: who else has the pipe open may keep it for long. What comes after is another part. */
		for (int i = 0; i < STREAMS; i++) {
			copy(slot, i);
			flush(slot, i, 1);
		}
		for (end = slot->record; *end;)
			end++;
		ps_sys2(__NR_clock_gettime, 0, now);
		at = number(end, (uint64_t)(uint32_t)status, 1, ' ');
		at = number(at, (uint64_t)now[0], 1, ' ');
		at = number(at, (uint64_t)now[1], 1, ' ');
		at = number(at, (uint64_t)((usage[0] + usage[2]) * 1000000 + usage[1] + usage[3]), 1, ' ');
		*number(at, (uint64_t)usage[4], 1, '\n') = 0;
		slot->is_ended = 1;
		write_record(slot);
		tell_end(slot);
	}
}

/* The child: the fds that it was given from 3 on, nothing else that is open here, and then it is a shim as any other. */
static _Noreturn void run_child(const int *fds, uint32_t count)
{
	static char *argv[] = { "podspace-shim", "3", "4", "5", 0 };

	for (uint32_t i = 0; i < count; i++)
		ps_sys3(__NR_dup3, fds[i], SCRATCH_FD + i, 0);
	for (uint32_t i = 0; i < count; i++)
		ps_sys3(__NR_dup3, SCRATCH_FD + i, FIRST_FD + i, i == 3 ? 02000000 /* O_CLOEXEC: tells of the execve */ : 0);
	ps_sys3(__NR_close_range, FIRST_FD + count, ~0u, 0);
	ps_exit(ps_run_program(argv));
}

static void run(struct request *request, int *fds, uint32_t count)
{
	struct slot *slot = find(request->id, 1);
	struct clone_args args = { .flags = request->flags, .exit_signal = SIGCHLD };
	char failure[24];
	long pid = -ENOSPC;

	if (count < 4 || !slot || slot->pid)
		goto close;
	if (request->argument) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned int)fds[--count];
	}
	pid = ps_sys2(__NR_clone3, &args, sizeof(args));
	if (pid == 0)
		run_child(fds, count);
	if (pid > 0) {
		slot->pid = (int32_t)pid;
		slot->sibling = fds[2];
		fds[2] = -1;
		ps_sys2(__NR_clock_gettime, 0, slot->started);
		record_start(slot);
	}
close:
	count += request->argument && args.cgroup;
	for (uint32_t i = 0; i < count; i++)
		close_fd(&fds[i]);
	if (pid > 0) {
		tell("started", request->id, slot->record);
		return;
	}
	*number(failure, (uint64_t)-pid, 1, '\n') = 0;
	tell("failed", request->id, failure);
	if (slot && !slot->pid)
		free_slot(slot);
}

/* What a slot has room for takes one fd; what there is none for is closed. */
static void place(int *places, int count, int *fd)
{
	for (int i = 0; i < count && *fd >= 0; i++)
		if (places[i] < 0) {
			places[i] = *fd;
			*fd = -1;
		}
	close_fd(fd);
}

/* The numbers of fds as they are here, for pidfd_getfd(2) and /proc/PID/fd. */
static void tell_kept(const int *fds, uint32_t count)
{
	char line[640], *at = put(line, "kept ");

	for (uint32_t i = 0; i < count; i++)
		at = number(at, (uint64_t)fds[i], 1, i + 1 == count ? '\n' : ' ');
	say(line, at);
}

static void serve(struct request *request, int *fds, uint32_t count)
{
	struct slot *slot;

	request->id[sizeof(request->id) - 1] = 0;
	if (request->op == OP_RUN) {
		run(request, fds, count);
		return;
	}
	if (request->op == OP_QUIT)
		ps_exit(0);
	if (request->op == OP_KEEP || request->op == OP_HOLD)
		tell_kept(fds, count);
	slot = request->op == OP_KEEP ? 0 : find(request->id, request->op != OP_TEE && request->op != OP_RELEASE);
	for (int i = 0; slot && request->op == OP_RELEASE && i < HELD; i++)
		close_fd(&slot->held[i]);
	for (uint32_t i = 0; i < count; i++) {
		if (slot && request->op == OP_LOG) {
			close_fd(&slot->log);
			slot->log = fds[i];
		} else if (slot && request->op == OP_COPY && slot->stream[request->argument & 1].fd < 0) {
			ps_sys3(__NR_fcntl, fds[i], 4 /* F_SETFL */, 04000 /* O_NONBLOCK */);
			slot->stream[request->argument & 1].fd = fds[i];
		} else if (slot)
			place(request->op == OP_TEE ? slot->tee : slot->held, request->op == OP_TEE ? TEES : HELD,
			      &fds[i]);
		else if (request->op != OP_KEEP)
			close_fd(&fds[i]);
	}
}

/* One request with its fds. False when the other end has gone. */
static int receive(void)
{
	struct request request;
	struct {
		uint64_t base, length;
	} iov = { (uint64_t)(uintptr_t)&request, sizeof(request) };
	struct {
		uint64_t length;
		int32_t level, type, fds[64];
	} control;
	struct {
		uint64_t name;
		uint32_t namelen, padding;
		uint64_t iov, iovlen, control, controllen;
		uint32_t flags, padding2;
	} header = { 0, 0, 0, (uint64_t)(uintptr_t)&iov, 1, (uint64_t)(uintptr_t)&control, sizeof(control), 0, 0 };
	long size = ps_sys3(__NR_recvmsg, connection, &header, 0x40000000 /* MSG_CMSG_CLOEXEC */);
	uint32_t count = 0;

	if (size != (long)sizeof(request))
		return 0;
	if (header.controllen >= 16 && control.level == 1 && control.type == 1 /* SCM_RIGHTS */)
		count = (uint32_t)((control.length - 16) / 4);
	serve(&request, control.fds, count);
	return 1;
}

int ps_keep_pod(long listener, long records)
{
	struct {
		int fd;
		short events, revents;
	} polls[3 + SLOTS * STREAMS];
	uint64_t all = ~0ull, child = 1ull << (SIGCHLD - 1);
	char siginfo[128];
	long signals;

	directory = (int)records;
	ps_sys5(__NR_prctl, 15 /* PR_SET_NAME */, "podspace-shim", 0, 0, 0);
	ps_sys5(__NR_prctl, 4 /* PR_SET_DUMPABLE */, 0, 0, 0, 0);
	ps_sys4(__NR_rt_sigprocmask, 0 /* SIG_BLOCK */, &all, 0, 8);
	signals = ps_sys4(__NR_signalfd4, -1, &child, 8, 02004000 /* SFD_CLOEXEC|SFD_NONBLOCK */);
	for (int is_stalled = 0, has_ended = 0;;) {
		uint32_t count = 3;
		/* the kernel writes what was left of it */
		int64_t wait[2] = { 0, has_ended ? 0 : RETRY_MILLISECONDS * 1000000 };

		polls[0].fd = (int)listener;
		polls[1].fd = (int)signals;
		polls[2].fd = connection;
		for (int i = 0; !is_stalled && i < SLOTS * STREAMS; i++)
			if (slots[i / STREAMS].is_used && slots[i / STREAMS].stream[i % STREAMS].fd >= 0)
				polls[count++].fd = slots[i / STREAMS].stream[i % STREAMS].fd;
		for (uint32_t i = 0; i < count; i++)
			polls[i].events = 1 /* POLLIN */, polls[i].revents = 0;
		ps_sys5(__NR_ppoll, polls, count, is_stalled || has_ended ? wait : 0, 0, 8);
		while (ps_sys3(__NR_read, signals, siginfo, sizeof(siginfo)) > 0)
			;
		if (polls[2].revents && connection >= 0 && !receive())
			disconnect();
		if (polls[0].revents) {
			disconnect();
			connection = (int)ps_sys4(__NR_accept4, listener, 0, 0, 02000000 /* SOCK_CLOEXEC */);
			for (struct slot *slot = slots; slot < slots + SLOTS; slot++)
				if (slot->is_used && slot->is_ended)
					tell_end(slot);
		}
		is_stalled = has_ended = 0;
		for (struct slot *slot = slots; slot < slots + SLOTS; slot++) {
			if (!slot->is_used)
				continue;
			/* In the round before: who has connected since, and has read the record too early, has been told. */
			if (is_over(slot)) {
				free_slot(slot);
				continue;
			}
			is_stalled |= !copy(slot, 0) | !copy(slot, 1);
			reap(slot);
			if (slot->is_unwritten)
				write_record(slot);
			is_stalled |= slot->is_unwritten;
			has_ended |= is_over(slot);
		}
	}
}
