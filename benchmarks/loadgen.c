/* The inner loop of the load generator: sends keys when they are due, and records when each was answered.
 *
 * One thread, non-blocking sockets, epoll. Python (loadgen.py) opens the connections, makes the texts and the schedule,
 * and evaluates the records. A key's latency counts from when it was DUE, even if it could not be sent then. So a stall
 * of the client or the server shows in every key that fell into it.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PENDING, ANSWERED, SUPERSEDED, FAILED, OVERLOADED, UNSENT };
enum { WEBSOCKET, WEBSOCKET_BINARY, HTTP };
enum { EVENTS = 512, READ_BYTES = 1 << 18, SENDS_A_TURN = 64, FRAME_HEAD = 14, SEQ_DIGITS = 24 };

/* Arrays owned by loadgen.py, with one element for each key in the order of sending. */
typedef struct {
    int64_t capacity, count;
    int64_t *due;    /* ns since the start of the run */
    int32_t *late;   /* us from due to sent */
    float *latency;  /* us from due until it, or the key that overtook it, was answered */
    int32_t *conn;
    int32_t *body;
    uint8_t *state;
} Records;

typedef struct {
    int fd, closed, writing;
    uint32_t seq;
    int64_t path, path_length, cursor;
    int64_t head, tail; /* records waiting for an answer, linked by Load.next */
    uint8_t *in, *out;
    size_t in_length, in_capacity, out_length, out_capacity;
} Conn;

typedef struct {
    int epoll, count, protocol, spin, ready_count;
    Conn *conns;
    const char *bodies;
    const int64_t *offsets;
    const int32_t *paths;
    const char *head; /* of an HTTP request, up to the value of Content-Length */
    size_t head_length;
    uint32_t random;
    int64_t *next;
    uint32_t *seqs;
    int64_t next_capacity, outstanding, start;
    Records *records;
    int32_t *ready; /* connections that may send, in a closed loop */
    uint8_t *buffer;
    /* Facts about a run. */
    int64_t busy_ns, wall_ns, bytes_in, bytes_out, closed;
    char first_error[160];
} Load;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t elapsed(Load *l) { return now_ns() - l->start; }

Load *load_new(int count, const int *fds, int protocol, int spin, const char *bodies, const int64_t *offsets,
               const int32_t *paths, const int64_t *path_offsets, const char *head) {
    Load *l = calloc(1, sizeof *l);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->conns = calloc(count, sizeof *l->conns);
    l->ready = malloc(count * sizeof *l->ready);
    l->buffer = malloc(READ_BYTES);
    l->count = count, l->protocol = protocol, l->spin = spin, l->random = 2463534242u;
    l->bodies = bodies, l->offsets = offsets, l->paths = paths, l->head = head, l->head_length = strlen(head);
    for (int i = 0; i < count; i++) {
        Conn *c = &l->conns[i];
        c->fd = fds[i], c->head = c->tail = -1;
        c->path = path_offsets[i], c->path_length = path_offsets[i + 1] - path_offsets[i];
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e);
    }
    return l;
}

void load_free(Load *l) {
    for (int i = 0; i < l->count; i++) free(l->conns[i].in), free(l->conns[i].out);
    close(l->epoll);
    free(l->conns), free(l->ready), free(l->buffer), free(l->next), free(l->seqs), free(l);
}

static void append(uint8_t **to, size_t *length, size_t *capacity, const uint8_t *from, size_t n) {
    if (*length + n > *capacity) {
        *capacity = (*length + n) * 2;
        *to = realloc(*to, *capacity);
    }
    memcpy(*to + *length, from, n);
    *length += n;
}

static void watch(Load *l, Conn *c, int writing) {
    struct epoll_event e = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.u32 = c - l->conns};
    epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &e);
    c->writing = writing;
}

static void shut(Load *l, Conn *c) {
    if (c->closed) return;
    c->closed = 1;
    l->closed++;
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    /* Nothing will answer these any more. They stay PENDING, which counts as unanswered. */
    for (int64_t r = c->head; r >= 0; r = l->next[r]) l->outstanding--;
    c->head = c->tail = -1;
}

static void put(Load *l, Conn *c, const uint8_t *bytes, size_t n) {
    l->bytes_out += n;
    size_t done = 0;
    if (!c->writing) {
        ssize_t sent = send(c->fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            shut(l, c);
            return;
        }
        done = sent < 0 ? 0 : (size_t)sent;
    }
    if (done < n) {
        append(&c->out, &c->out_length, &c->out_capacity, bytes + done, n - done);
        if (!c->writing) watch(l, c, 1);
    }
}

static void flush(Load *l, Conn *c) {
    ssize_t sent = send(c->fd, c->out, c->out_length, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) shut(l, c);
        return;
    }
    memmove(c->out, c->out + sent, c->out_length - sent);
    c->out_length -= sent;
    if (!c->out_length) watch(l, c, 0);
}

/* A client's frame: FIN, opcode, masked with a new key (RFC 6455, section 5). The payload starts at FRAME_HEAD. */
static void put_frame(Load *l, Conn *c, int opcode, uint8_t *frame, size_t n) {
    uint8_t *payload = frame + FRAME_HEAD, *start = payload - 4;
    l->random ^= l->random << 13, l->random ^= l->random >> 17, l->random ^= l->random << 5;
    memcpy(start, &l->random, 4);
    for (size_t i = 0; i < n; i++) payload[i] ^= start[i & 3];
    if (n < 126) {
        *--start = 0x80 | n;
    } else if (n < 65536) {
        *--start = n & 255, *--start = n >> 8, *--start = 0x80 | 126;
    } else {
        for (int i = 0; i < 8; i++) *--start = (uint64_t)n >> (8 * i) & 255;
        *--start = 0x80 | 127;
    }
    *--start = 0x80 | opcode;
    put(l, c, start, payload + n - start);
}

static int send_key(Load *l, int number, int64_t due) {
    Records *r = l->records;
    if (r->count == r->capacity) return 0;
    Conn *c = &l->conns[number];
    int64_t at = r->count++;
    int32_t body = l->paths[c->path + c->cursor];
    if (++c->cursor == c->path_length) c->cursor = 0;
    int64_t late = (elapsed(l) - due) / 1000;
    r->due[at] = due, r->conn[at] = number, r->body[at] = body, r->latency[at] = 0;
    r->late[at] = late > INT32_MAX ? INT32_MAX : late;
    if (c->closed) {
        r->state[at] = UNSENT;
        return 1;
    }
    r->state[at] = PENDING, l->next[at] = -1, l->seqs[at] = ++c->seq;
    if (c->tail < 0) c->head = at;
    else l->next[c->tail] = at;
    c->tail = at;
    l->outstanding++;
    const char *text = l->bodies + l->offsets[body];
    size_t length = l->offsets[body + 1] - l->offsets[body];
    uint8_t *frame = alloca(FRAME_HEAD + l->head_length + SEQ_DIGITS + 8 + length);
    if (l->protocol == HTTP) {
        memcpy(frame, l->head, l->head_length);
        int n = l->head_length + sprintf((char *)frame + l->head_length, "%zu\r\n\r\n{", length + 1);
        memcpy(frame + n, text, length);
        put(l, c, frame, n + length);
    } else {
        int n = sprintf((char *)frame + FRAME_HEAD, "{\"seq\":%u,", c->seq);
        memcpy(frame + FRAME_HEAD + n, text, length);
        put_frame(l, c, 1, frame, n + length);
    }
    return 1;
}

/* A connection's replies come in order, so every key waiting before `seq` was overtaken and will not be answered. */
static void settle(Load *l, Conn *c, uint32_t seq, int state) {
    Records *r = l->records;
    int64_t t = elapsed(l);
    while (c->head >= 0 && l->seqs[c->head] <= seq) {
        int64_t at = c->head;
        r->latency[at] = (t - r->due[at]) * 1e-3f;
        r->state[at] = l->seqs[at] == seq ? state : SUPERSEDED;
        c->head = l->next[at];
        l->outstanding--;
    }
    if (c->head < 0) {
        c->tail = -1;
        if (l->ready_count >= 0 && !c->closed) l->ready[l->ready_count++] = c - l->conns;
    }
}

/* Start of a field's value, or NULL. Inside a JSON string the quotes would be escaped, so this finds only fields. */
static const char *field(const char *text, size_t n, const char *key) {
    const char *end = text + n, *p = memmem(text, n, key, strlen(key));
    if (!p) return NULL;
    for (p += strlen(key); p < end && (*p == ' ' || *p == ':'); p++)
        ;
    return p;
}

static int has(const char *text, size_t n, const char *key, const char *value) {
    const char *p = field(text, n, key);
    return p && (size_t)(text + n - p) >= strlen(value) && !memcmp(p, value, strlen(value));
}

static void note_error(Load *l, const char *text, size_t n) {
    if (l->first_error[0]) return;
    size_t most = sizeof l->first_error - 1;
    memcpy(l->first_error, text, n < most ? n : most);
}

static void on_text(Load *l, Conn *c, const char *text, size_t n) {
    int failed = n > 8 && !memcmp(text, "{\"error\"", 8);
    const char *p = field(text, n, "\"seq\":");
    if (failed) note_error(l, text, n);
    if (!p) return; /* the answer to the hello, or an error without a key */
    uint32_t seq = 0;
    for (; p < text + n && *p >= '0' && *p <= '9'; p++) seq = seq * 10 + (*p - '0');
    if ((failed && has(text, n, "\"code\":", "\"overloaded\"")) || has(text, n, "\"overloaded\":", "true"))
        settle(l, c, seq, OVERLOADED);
    else if (failed) settle(l, c, seq, FAILED);
    else if (l->protocol == WEBSOCKET) settle(l, c, seq, ANSWERED);
}

/* Handles the first frame. Returns its bytes, or 0 if it is incomplete. */
static size_t on_frame(Load *l, Conn *c, uint8_t *p, size_t n) {
    if (n < 2) return 0;
    size_t head = 2, length = p[1] & 127;
    if (length == 126) {
        if (n < 4) return 0;
        length = p[2] << 8 | p[3], head = 4;
    } else if (length == 127) {
        if (n < 10) return 0;
        length = 0, head = 10;
        for (int i = 2; i < 10; i++) length = length << 8 | p[i];
    }
    if (n < head + length) return 0;
    uint8_t *payload = p + head;
    int opcode = p[0] & 15;
    if (opcode == 1 && p[0] & 0x80) {
        on_text(l, c, (const char *)payload, length);
    } else if (opcode == 2 && length >= 4) {
        if (l->protocol == WEBSOCKET_BINARY)
            settle(l, c, payload[0] | payload[1] << 8 | payload[2] << 16 | (uint32_t)payload[3] << 24, ANSWERED);
    } else if (opcode == 9 && length < 126) {
        uint8_t frame[FRAME_HEAD + 126];
        memcpy(frame + FRAME_HEAD, payload, length);
        put_frame(l, c, 10, frame, length);
    } else if (opcode == 8) {
        shut(l, c);
    }
    return head + length;
}

static size_t on_response(Load *l, Conn *c, uint8_t *p, size_t n) {
    uint8_t *end = memmem(p, n, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t length = 0, head = end - p + 4;
    for (uint8_t *line = p, *stop; line < end; line = stop + 2) {
        stop = memmem(line, end + 2 - line, "\r\n", 2);
        if (stop - line > 15 && !strncasecmp((char *)line, "content-length:", 15))
            length = strtoul((char *)line + 15, NULL, 10); /* stops at the end of the line */
    }
    if (n < head + length) return 0;
    int ok = n > 12 && !memcmp(p + 9, "200", 3);
    if (!ok) note_error(l, (char *)p, head);
    if (c->head >= 0) settle(l, c, l->seqs[c->head], ok ? ANSWERED : FAILED);
    return head + length;
}

static void on_readable(Load *l, Conn *c) {
    ssize_t n = recv(c->fd, l->buffer, READ_BYTES, 0);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) shut(l, c);
        return;
    }
    l->bytes_in += n;
    uint8_t *p = l->buffer;
    size_t length = n;
    if (c->in_length) {
        append(&c->in, &c->in_length, &c->in_capacity, l->buffer, n);
        p = c->in, length = c->in_length;
    }
    size_t used, total = 0;
    while (!c->closed && total < length &&
           (used = (l->protocol == HTTP ? on_response : on_frame)(l, c, p + total, length - total)))
        total += used;
    if (p == c->in) {
        memmove(c->in, c->in + total, length - total);
        c->in_length = length - total;
    } else if (total < length) {
        append(&c->in, &c->in_length, &c->in_capacity, p + total, length - total);
    }
}

static int wait_events(Load *l, struct epoll_event *events, int64_t until) {
    int found = epoll_wait(l->epoll, events, EVENTS, 0);
    if (found || l->spin) return found;
    int64_t left = until - elapsed(l);
    if (left <= 0) return 0;
    struct timespec t = {left / 1000000000, left % 1000000000};
    struct pollfd one = {.fd = l->epoll, .events = POLLIN};
    ppoll(&one, 1, &t, NULL);
    return epoll_wait(l->epoll, events, EVENTS, 0);
}

/* Sends `keys` keys on their connections when they are due. If `keys` is -1, runs a closed loop instead: until
 * `duration`, each connection sends its next key once the last one is settled. Then waits at most `grace` ns for the
 * answers that are due. */
void load_run(Load *l, Records *records, int64_t keys, const int64_t *due, const int32_t *conn, int64_t duration,
              int64_t grace) {
    struct epoll_event events[EVENTS];
    int closed_loop = keys < 0;
    if (l->next_capacity < records->capacity) {
        l->next = realloc(l->next, records->capacity * sizeof *l->next);
        l->seqs = realloc(l->seqs, records->capacity * sizeof *l->seqs);
        l->next_capacity = records->capacity;
    }
    /* Keys of the last run that are still waiting stay unanswered. */
    for (int i = 0; i < l->count; i++) l->conns[i].head = l->conns[i].tail = -1;
    l->records = records, l->outstanding = 0;
    l->busy_ns = l->bytes_in = l->bytes_out = l->closed = 0;
    memset(l->first_error, 0, sizeof l->first_error);
    l->ready_count = closed_loop ? 0 : -1;
    l->start = now_ns();
    int64_t next = 0, end = closed_loop ? duration : keys ? due[keys - 1] : 0;
    if (closed_loop)
        for (int i = 0; i < l->count; i++)
            if (!l->conns[i].closed) l->ready[l->ready_count++] = i;
    for (;;) {
        int64_t t = elapsed(l);
        int sent = 0, more = closed_loop ? t < end : next < keys;
        if (closed_loop && more) {
            int ready = l->ready_count;
            l->ready_count = 0;
            while (sent < ready && send_key(l, l->ready[sent], elapsed(l))) sent++;
            if (sent < ready) end = t; /* no room for more records */
        } else {
            while (more && sent < SENDS_A_TURN && due[next] <= t && send_key(l, conn[next], due[next]))
                sent++, more = ++next < keys;
        }
        if (!more && (!l->outstanding || t > end + grace)) break;
        int64_t before = elapsed(l);
        if (sent) l->busy_ns += before - t;
        int found = wait_events(l, events, more && !closed_loop ? due[next] : more ? end : end + grace);
        /* Without sleeping, a wait that found something is part of the work. */
        if (!l->spin) before = elapsed(l);
        for (int i = 0; i < found; i++) {
            Conn *c = &l->conns[events[i].data.u32];
            if (!c->closed && events[i].events & EPOLLOUT) flush(l, c);
            if (!c->closed && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(l, c);
        }
        if (found) l->busy_ns += elapsed(l) - before;
    }
    l->wall_ns = elapsed(l);
}

/* Facts about the last run. */
void load_facts(const Load *l, int64_t *facts, char *first_error) {
    facts[0] = l->busy_ns, facts[1] = l->wall_ns, facts[2] = l->bytes_in, facts[3] = l->bytes_out;
    facts[4] = l->closed;
    memcpy(first_error, l->first_error, sizeof l->first_error);
}
