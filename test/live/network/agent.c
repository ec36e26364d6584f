/*
 * A host of the test's network: it answers on some ports, and asks others when it is told to.
 *
 *   agent NAME PORT...     TCP, UDP and SCTP on each port, IPv4 and IPv6; the answer is "NAME CLIENT-ADDRESS"
 *
 * Commands on stdin, a line each:   ID tcp|udp|sctp ADDRESS PORT TIMEOUT-MS [SOURCE-PORT]
 * Answers on stdout, in any order:  ID ok NAME CLIENT-ADDRESS | ID timeout | ID ERRNO-NAME
 *
 *   agent ping ADDRESS PORT COUNT same|new
 *
 * asks by UDP one question after the other, of one flow or each of a new one, and prints the fastest nanoseconds that one
 * took on average in twenty rounds.
 *
 * Every question comes from a source port of its own, so that none looks to the kernel like part of an older one.
 * SCTP is an INIT and its INIT ACK by raw sockets: kernels without SCTP forward it all the same.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS 4096
enum kind { NONE, COMMANDS, TCP_SERVER, UDP_SERVER, SCTP_SERVER, TCP_PROBE, UDP_PROBE, SCTP_PROBE };

static struct pollfd fds[MAX_FDS];
static struct {
	enum kind kind;
	char id[24];
	long deadline;
	int connected, family;
	unsigned short source;
} info[MAX_FDS];
static int count;
static const char *name;
static unsigned short served[16], next_source = 10000;
static int served_count;

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int add(int fd, enum kind kind, short events)
{
	if (count == MAX_FDS)
		exit(3);
	fds[count] = (struct pollfd){ .fd = fd, .events = events };
	memset(&info[count], 0, sizeof(info[0]));
	info[count].kind = kind;
	return count++;
}

static const char *address_text(const struct sockaddr_storage *from)
{
	static char text[INET6_ADDRSTRLEN];
	const struct sockaddr_in *v4 = (const void *)from;
	const struct sockaddr_in6 *v6 = (const void *)from;

	if (from->ss_family == AF_INET)
		return inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return inet_ntop(AF_INET, (const char *)&v6->sin6_addr + 12, text, sizeof(text));
	return inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
}

static unsigned int crc32c(const unsigned char *data, size_t size)
{
	unsigned int crc = ~0u;

	while (size--) {
		crc ^= *data++;
		for (int i = 0; i < 8; i++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

/* An INIT (1) or INIT ACK (2), RFC 9260; the latter with a state cookie of four bytes. */
static size_t sctp_packet(unsigned char *p, int type, unsigned short from, unsigned short to, unsigned int tag)
{
	size_t size = type == 2 ? 40 : 32;
	unsigned int crc;

	memset(p, 0, size);
	*(unsigned short *)p = htons(from);
	*(unsigned short *)(p + 2) = htons(to);
	memcpy(p + 4, &tag, 4);
	p[12] = type;
	*(unsigned short *)(p + 14) = htons(size - 12);
	*(unsigned int *)(p + 16) = htonl(0x12345678); /* initiate tag */
	*(unsigned int *)(p + 20) = htonl(65536);
	*(unsigned int *)(p + 24) = htonl(0x00010001); /* streams */
	*(unsigned int *)(p + 28) = htonl(1);
	if (type == 2)
		*(unsigned int *)(p + 32) = htonl(0x00070008);
	crc = crc32c(p, size);
	memcpy(p + 8, &crc, 4);
	return size;
}

static void serve(unsigned short port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int on = 1, off = 0;

	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
		if (bind(fd, (void *)&at, sizeof(at)) || (type == SOCK_STREAM && listen(fd, 512))) {
			perror("bind");
			exit(2);
		}
		add(fd, type == SOCK_STREAM ? TCP_SERVER : UDP_SERVER, POLLIN);
	}
	served[served_count++] = port;
}

static void answer_tcp(int server)
{
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	int fd;

	while ((fd = accept4(server, (void *)&from, &length, SOCK_CLOEXEC)) >= 0) {
		dprintf(fd, "%s %s\n", name, address_text(&from));
		close(fd);
		length = sizeof(from);
	}
}

/* From the address that was asked, which a socket for all of them does not do by itself. */
static void answer_udp(int fd)
{
	char data[512], control[256], text[256];
	struct sockaddr_storage from;
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = { &from, sizeof(from), &iov, 1, control, sizeof(control), 0 };

	while (recvmsg(fd, &msg, 0) >= 0) {
		iov.iov_base = text;
		iov.iov_len = snprintf(text, sizeof(text), "%s %s\n", name, address_text(&from));
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
			if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
				((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_ifindex = 0;
		sendmsg(fd, &msg, 0);
		iov = (struct iovec){ data, sizeof(data) };
		msg = (struct msghdr){ &from, sizeof(from), &iov, 1, control, sizeof(control), 0 };
	}
}

static void answer_sctp(int fd)
{
	unsigned char data[2048], reply[64];
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	ssize_t size;

	while ((size = recvfrom(fd, data, sizeof(data), 0, (void *)&from, &length)) >= 0) {
		unsigned char *p = data + (data[0] & 15) * 4;
		unsigned short source = ntohs(*(unsigned short *)p), port = ntohs(*(unsigned short *)(p + 2));
		unsigned int tag;

		if (size < 52)
			continue;
		memcpy(&tag, p + 16, 4);
		for (int i = 0; p[12] == 1 && i < served_count; i++)
			if (served[i] == port)
				sendto(fd, reply, sctp_packet(reply, 2, port, source, tag), 0, (void *)&from, length);
	}
}

static void end(int i, const char *result)
{
	printf("%s %s\n", info[i].id, result);
	close(fds[i].fd);
	info[i].kind = NONE;
	fds[i].fd = -1;
}

static void ask(char *line)
{
	char id[24], protocol[8], host[64];
	unsigned short port, source = 0;
	int timeout, fd, i, type, on = 1;
	struct sockaddr_storage to = { 0 }, own = { 0 };
	struct sockaddr_in *v4 = (void *)&to;
	struct sockaddr_in6 *v6 = (void *)&to;
	struct linger reset = { 1, 0 };
	socklen_t length;

	if (sscanf(line, "%23s %7s %63s %hu %d %hu", id, protocol, host, &port, &timeout, &source) < 5)
		exit(4);
	if (!source) {
		source = next_source++;
		if (next_source == 60000)
			next_source = 10000;
	}
	to.ss_family = own.ss_family = strchr(host, ':') ? AF_INET6 : AF_INET;
	length = to.ss_family == AF_INET ? sizeof(*v4) : sizeof(*v6);
	inet_pton(to.ss_family, host, to.ss_family == AF_INET ? (void *)&v4->sin_addr : &v6->sin6_addr);
	type = protocol[0] == 't' ? SOCK_STREAM : protocol[0] == 'u' ? SOCK_DGRAM : SOCK_RAW;
	if (type != SOCK_RAW) {
		v4->sin_port = htons(port);
		((struct sockaddr_in *)&own)->sin_port = htons(source);
	}
	fd = socket(to.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, type == SOCK_RAW ? IPPROTO_SCTP : 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	i = add(fd, type == SOCK_STREAM ? TCP_PROBE : type == SOCK_DGRAM ? UDP_PROBE : SCTP_PROBE, POLLIN);
	strcpy(info[i].id, id);
	info[i].deadline = now() + timeout;
	info[i].source = source;
	if ((type != SOCK_RAW && bind(fd, (void *)&own, length)) ||
	    (connect(fd, (void *)&to, length) && errno != EINPROGRESS)) {
		end(i, strerrorname_np(errno));
		return;
	}
	if (type == SOCK_STREAM)
		fds[i].events = POLLOUT;
	else if (type == SOCK_DGRAM) {
		if (send(fd, "?", 1, 0) < 0)
			end(i, strerrorname_np(errno));
	} else {
		unsigned char packet[64];

		if (send(fd, packet, sctp_packet(packet, 1, source, port, 0), 0) < 0)
			end(i, strerrorname_np(errno));
	}
}

static void commands(void)
{
	static char buffer[1 << 16];
	static size_t used;
	ssize_t got = read(0, buffer + used, sizeof(buffer) - used - 1);
	char *line = buffer, *newline;

	if (got <= 0)
		exit(0);
	used += got;
	buffer[used] = 0;
	while ((newline = strchr(line, '\n'))) {
		*newline = 0;
		ask(line);
		line = newline + 1;
	}
	used -= line - buffer;
	memmove(buffer, line, used);
}

/* What came back to a question, if it is an answer. */
static void heard(int i)
{
	char data[2048], text[2100];
	int error = 0;
	socklen_t length = sizeof(error);
	ssize_t got;

	if (info[i].kind == TCP_PROBE && !info[i].connected) {
		getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &error, &length);
		if (error) {
			end(i, strerrorname_np(error));
			return;
		}
		info[i].connected = 1;
		fds[i].events = POLLIN;
		return;
	}
	got = recv(fds[i].fd, data, sizeof(data) - 1, 0);
	if (got < 0) {
		if (errno != EAGAIN)
			end(i, strerrorname_np(errno));
		return;
	}
	if (info[i].kind == SCTP_PROBE) {
		unsigned char *p = (unsigned char *)data + (data[0] & 15) * 4;

		if (got >= 52 && p[12] == 2 && ntohs(*(unsigned short *)(p + 2)) == info[i].source)
			end(i, "ok - -");
		return;
	}
	data[got] = 0;
	data[strcspn(data, "\n")] = 0;
	snprintf(text, sizeof(text), "ok %s", data);
	end(i, text);
}

static int udp_to(const char *host, unsigned short port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval wait = { 2, 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, host, &to.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (connect(fd, (void *)&to, sizeof(to)))
		exit(5);
	return fd;
}

static void ping(const char *host, unsigned short port, int count, int is_new)
{
	double best = 1e18;
	char answer[256];

	for (int round = 0; round < 20; round++) {
		int fd = is_new ? -1 : udp_to(host, port);
		struct timespec start, end;
		double nanoseconds;

		clock_gettime(CLOCK_MONOTONIC, &start);
		for (int i = 0; i < count; i++) {
			if (is_new)
				fd = udp_to(host, port);
			if (send(fd, "?", 1, 0) != 1 || recv(fd, answer, sizeof(answer), 0) < 1)
				exit(6);
			if (is_new)
				close(fd);
		}
		clock_gettime(CLOCK_MONOTONIC, &end);
		if (!is_new)
			close(fd);
		nanoseconds = ((end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec)) / count;
		if (nanoseconds < best)
			best = nanoseconds;
	}
	printf("%.0f\n", best);
}

int main(int argc, char **argv)
{
	int fd;

	if (argc == 6 && !strcmp(argv[1], "ping")) {
		ping(argv[2], atoi(argv[3]), atoi(argv[4]), !strcmp(argv[5], "new"));
		return 0;
	}

	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	name = argv[1];
	add(0, COMMANDS, POLLIN);
	for (int i = 2; i < argc; i++)
		serve(atoi(argv[i]));
	fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_SCTP);
	if (fd >= 0)
		add(fd, SCTP_SERVER, POLLIN);
	printf("ready\n");
	for (;;) {
		long wait = -1, time = now();

		for (int i = 0; i < count; i++) {
			if (info[i].kind < TCP_PROBE)
				continue;
			if (info[i].deadline <= time)
				end(i, "timeout");
			else if (wait < 0 || info[i].deadline - time < wait)
				wait = info[i].deadline - time;
		}
		while (count > 0 && info[count - 1].kind == NONE)
			count--;
		fflush(stdout);
		if (poll(fds, count, wait) < 0)
			continue;
		for (int i = 0, all = count; i < all; i++) {
			if (!fds[i].revents || info[i].kind == NONE)
				continue;
			switch (info[i].kind) {
			case COMMANDS: commands(); break;
			case TCP_SERVER: answer_tcp(fds[i].fd); break;
			case UDP_SERVER: answer_udp(fds[i].fd); break;
			case SCTP_SERVER: answer_sctp(fds[i].fd); break;
			default: heard(i);
			}
		}
	}
}
