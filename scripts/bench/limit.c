/* What the kernel alone costs: the media of a live stream to N receivers on loopback. No RTSP, no RTP, no reports.
 *
 *   cc -O2 -o limit limit.c
 *   limit udp|tcp RECEIVERS SECONDS SEGMENT FPS < ticks
 *
 * Each line of `ticks` is what is due at one moment to each receiver, in bytes on the wire: the video frame, then
 * any audio packets. UDP: the frame as segments of SEGMENT bytes (GSO) with one sendmmsg for all receivers, audio
 * to a second port of each. TCP: all of it in one send. The receivers are a process of their own; the CPU time
 * printed is the sender's. Prints one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  TICKS = 4096,        /* of a movie, at most */
  PIECES = 16,         /* of one tick: the frame and its audio packets */
  RECEIVE = 4 << 20,   /* bytes of each socket's buffer: a keyframe arrives at once */
  MESSAGES = 64,       /* read with one call */
  DATAGRAM = 65535,
  MAX_SEGMENTS = 64,   /* the kernel's limit (UDP_MAX_SEGMENTS) */
  MAX_PAYLOAD = 65507, /* of an IPv4 datagram */
};

struct tick { int pieces, bytes[PIECES]; };
static struct tick ticks[TICKS];
static char payload[4 << 20];

static void fail(const char *what) { perror(what); exit(1); }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static double cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void set_buffer(int fd, int forced, int plain, int size) {
  if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof size)) /* only root may force it */
    setsockopt(fd, SOL_SOCKET, plain, &size, sizeof size);
}

static int read_ticks(void) {
  char line[1024];
  int count = 0;
  while (count < TICKS && fgets(line, sizeof line, stdin)) {
    struct tick *t = &ticks[count];
    for (char *word = strtok(line, " \n"); word && t->pieces < PIECES; word = strtok(NULL, " \n")) {
      int bytes = atoi(word);
      if (bytes <= 0 || (t->pieces && bytes > MAX_PAYLOAD) || (size_t)bytes > sizeof payload / 2) {
        fprintf(stderr, "limit: a piece of %s bytes\n", word);
        exit(1);
      }
      t->bytes[t->pieces++] = bytes;
    }
    count += t->pieces > 0;
  }
  return count;
}

static int bound(struct sockaddr_in *address) {
  socklen_t length = sizeof *address;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (fd < 0 || bind(fd, (void *)address, length) || getsockname(fd, (void *)address, &length)) fail("bind");
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE);
  return fd;
}

/* Reads until it is killed; `received` is shared with the sender. */
static void receive(const int *fds, int count, int tcp, atomic_long *received) {
  static char space[MESSAGES][DATAGRAM];
  struct mmsghdr messages[MESSAGES] = {0};
  struct iovec parts[MESSAGES];
  struct epoll_event events[256];
  int poll = epoll_create1(0);
  for (int i = 0; i < MESSAGES; i++) {
    parts[i] = (struct iovec){space[i], DATAGRAM};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (int i = 0; i < count; i++)
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fds[i], &(struct epoll_event){.events = EPOLLIN, .data.fd = fds[i]}))
      fail("epoll_ctl");
  for (;;) {
    int ready = epoll_wait(poll, events, 256, -1);
    for (int i = 0; i < ready; i++) {
      long bytes = 0;
      if (tcp) {
        ssize_t got = recv(events[i].data.fd, space, sizeof space, MSG_DONTWAIT);
        bytes = got > 0 ? got : 0;
      } else {
        for (int got = MESSAGES; got == MESSAGES;) {
          got = recvmmsg(events[i].data.fd, messages, MESSAGES, MSG_DONTWAIT, NULL);
          for (int k = 0; k < got; k++) bytes += messages[k].msg_len;
        }
      }
      atomic_fetch_add(received, bytes);
    }
  }
}

static long send_all(int fd, struct mmsghdr *messages, int count) {
  long sent = 0;
  for (int done = 0; done < count;) {
    int went = sendmmsg(fd, messages + done, count - done, 0);
    if (went <= 0) fail("sendmmsg");
    for (int i = done; i < done + went; i++) sent += messages[i].msg_len;
    done += went;
  }
  return sent;
}

/* One tick to all: messages[0..count) lead to the first ports, messages[count..2 count) to the second. */
static long send_udp(int fd, struct mmsghdr *messages, struct iovec *part, int count, int segment, const struct tick *t) {
  char control[CMSG_SPACE(sizeof(unsigned short))] = {0};
  struct cmsghdr *header = (void *)control;
  int run = MAX_PAYLOAD / segment < MAX_SEGMENTS ? MAX_PAYLOAD / segment * segment : MAX_SEGMENTS * segment;
  long sent = 0;
  *header = (struct cmsghdr){CMSG_LEN(sizeof(unsigned short)), IPPROTO_UDP, UDP_SEGMENT};
  *(unsigned short *)CMSG_DATA(header) = segment;
  for (int at = 0; at < t->bytes[0]; at += run) {
    int bytes = t->bytes[0] - at < run ? t->bytes[0] - at : run;
    *part = (struct iovec){payload + at, bytes};
    for (int i = 0; i < count; i++) {
      messages[i].msg_hdr.msg_control = bytes > segment ? control : NULL;
      messages[i].msg_hdr.msg_controllen = bytes > segment ? sizeof control : 0;
    }
    sent += send_all(fd, messages, count);
  }
  for (int i = 1; i < t->pieces; i++) {
    *part = (struct iovec){payload, t->bytes[i]};
    sent += send_all(fd, messages + count, count);
  }
  return sent;
}

static long send_tcp(const int *fds, int count, const struct tick *t) {
  long sent = 0;
  int bytes = 0;
  for (int i = 0; i < t->pieces; i++) bytes += t->bytes[i];
  for (int i = 0; i < count; i++) {
    ssize_t went = send(fds[i], payload, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (went > 0) sent += went; /* what the buffer has no room for is not sent, nor counted */
  }
  return sent;
}

int main(int argc, char **argv) {
  if (argc != 6) return fprintf(stderr, "usage: limit udp|tcp RECEIVERS SECONDS SEGMENT FPS < ticks\n"), 2;
  int tcp = !strcmp(argv[1], "tcp"), count = atoi(argv[2]), segment = atoi(argv[4]), length = read_ticks();
  double seconds = atof(argv[3]), fps = atof(argv[5]);
  if (count < 1 || segment < 1 || seconds <= 0 || fps <= 0 || !length) return fprintf(stderr, "limit: nothing to do\n"), 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int *inner = calloc(2 * count, sizeof *inner), *outer = calloc(count, sizeof *outer);
  struct sockaddr_in *addresses = calloc(2 * count, sizeof *addresses);
  struct mmsghdr *messages = calloc(2 * count, sizeof *messages);
  struct iovec part;
  atomic_long *received = mmap(NULL, sizeof *received, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (!inner || !outer || !addresses || !messages || received == MAP_FAILED) fail("memory");
  if (tcp) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&here, size) || listen(listener, 16) || getsockname(listener, (void *)&here, &size)) fail("listen");
    for (int i = 0; i < count; i++) {
      inner[i] = socket(AF_INET, SOCK_STREAM, 0);
      if (inner[i] < 0 || connect(inner[i], (void *)&here, size)) fail("connect");
      outer[i] = accept(listener, NULL, NULL);
      setsockopt(outer[i], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
      set_buffer(outer[i], SO_SNDBUFFORCE, SO_SNDBUF, RECEIVE);
    }
  } else {
    for (int i = 0; i < 2 * count; i++) {
      inner[i] = bound(&addresses[i]);
      messages[i].msg_hdr = (struct msghdr){.msg_name = &addresses[i], .msg_namelen = sizeof *addresses, .msg_iov = &part, .msg_iovlen = 1};
    }
  }
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (!child) receive(inner, tcp ? count : 2 * count, tcp, received);
  int out = socket(AF_INET, SOCK_DGRAM, 0);
  set_buffer(out, SO_SNDBUFFORCE, SO_SNDBUF, 2 * RECEIVE);
  memset(payload, 7, sizeof payload);
  double start = now(), used = cpu();
  long sent = 0;
  for (long tick = 0; tick < seconds * fps; tick++) {
    double wait = start + tick / fps - now();
    if (wait > 0) usleep(wait * 1e6);
    const struct tick *due = &ticks[tick % length];
    sent += tcp ? send_tcp(outer, count, due) : send_udp(out, messages, &part, count, segment, due);
  }
  used = cpu() - used;
  usleep(300000); /* what is under way arrives */
  kill(child, SIGKILL);
  printf("{\"bytes\": %ld, \"received\": %ld, \"cpu_s\": %.6f}\n", sent, atomic_load(received), used);
}
