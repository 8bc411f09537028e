/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* The largest LDAP message that is believed: two accounts and their few attributes, or a rootDSE,
 * fit many times. */
#define MESSAGE_MAX (1024 * 1024)

static Sockbuf *sockbuf_of(LDAP *ld)
{
    Sockbuf *sb = NULL;

    return ldap_get_option(ld, LDAP_OPT_SOCKBUF, &sb) == LDAP_OPT_SUCCESS ? sb : NULL;
}

/* --- the socket --- */

/* Waits until the socket can be read or written. False with errno set: not by the deadline. */
static bool ready(struct cba_wire *wire, short events)
{
    struct pollfd wait = {.fd = wire->fd, .events = events};
    int rc;

    do {
        rc = poll(&wait, 1, cba_deadline_left_ms(wire->deadline));
    } while (rc < 0 && errno == EINTR);
    if (rc == 0) {
        wire->late = true;
        errno = ETIMEDOUT;
    }
    return rc > 0;
}

static bool again(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

static int socket_setup(Sockbuf_IO_Desc *sbiod, void *arg)
{
    sbiod->sbiod_pvt = arg;
    return 0;
}

static int socket_remove(Sockbuf_IO_Desc *sbiod)
{
    sbiod->sbiod_pvt = NULL;
    return 0;
}

static int socket_ctrl(Sockbuf_IO_Desc *sbiod, int opt, void *arg)
{
    (void)sbiod;
    (void)opt;
    (void)arg;
    return 0; /* nothing is buffered here */
}

static ber_slen_t socket_read(Sockbuf_IO_Desc *sbiod, void *buf, ber_len_t len)
{
    struct cba_wire *wire = sbiod->sbiod_pvt;
    ssize_t n;

    do {
        n = recv(wire->fd, buf, len, MSG_DONTWAIT);
    } while (n < 0 && (errno == EINTR || (again() && ready(wire, POLLIN))));
    wire->error = n < 0 ? errno : 0;
    wire->ended = n == 0;
    return (ber_slen_t)n;
}

static ber_slen_t socket_write(Sockbuf_IO_Desc *sbiod, void *buf, ber_len_t len)
{
    struct cba_wire *wire = sbiod->sbiod_pvt;
    ssize_t n;

    do {
        n = send(wire->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && (errno == EINTR || (again() && ready(wire, POLLOUT))));
    wire->error = n < 0 ? errno : 0;
    return (ber_slen_t)n;
}

static int socket_close(Sockbuf_IO_Desc *sbiod)
{
    struct cba_wire *wire = sbiod->sbiod_pvt;

    if (wire->fd >= 0) {
        close(wire->fd);
        wire->fd = -1;
    }
    return 0;
}

static Sockbuf_IO socket_io = {
    .sbi_setup = socket_setup,
    .sbi_remove = socket_remove,
    .sbi_ctrl = socket_ctrl,
    .sbi_read = socket_read,
    .sbi_write = socket_write,
    .sbi_close = socket_close,
};

bool cba_wire_install(struct cba_wire *wire, LDAP *ld)
{
    Sockbuf *sb = sockbuf_of(ld);
    ber_len_t max = MESSAGE_MAX;

    if (!sb || ber_sockbuf_add_io(sb, &socket_io, LBER_SBIOD_LEVEL_PROVIDER, wire)) {
        return false;
    }
    ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &max);
    return true;
}

/* --- sealing --- */

/* Each message is preceded by its length in four bytes, most significant first (RFC 4422 3.7). */
#define LENGTH 4

struct seal {
    struct cba_wire *wire;
    struct cba_sasl *sasl;
    unsigned char sealed[CBA_SASL_SEALED_MAX];
    struct cba_span plain; /* what libldap has not yet taken; the memory is sasl's, or ours where a
                              write would end it */
    unsigned char *kept;   /* plain was copied here */
};

/* Whom a new layer is for. */
struct parties {
    struct cba_wire *wire;
    struct cba_sasl *sasl;
};

static int seal_setup(Sockbuf_IO_Desc *sbiod, void *arg)
{
    const struct parties *parties = arg;
    struct seal *seal = calloc(1, sizeof *seal);

    if (!seal) {
        return -1;
    }
    seal->wire = parties->wire;
    seal->sasl = parties->sasl;
    sbiod->sbiod_pvt = seal;
    return 0;
}

static int seal_remove(Sockbuf_IO_Desc *sbiod)
{
    struct seal *seal = sbiod->sbiod_pvt;

    if (seal) { /* not when the setup failed */
        free(seal->kept);
        free(seal);
    }
    sbiod->sbiod_pvt = NULL;
    return 0;
}

static int seal_ctrl(Sockbuf_IO_Desc *sbiod, int opt, void *arg)
{
    const struct seal *seal = sbiod->sbiod_pvt;

    /* libldap asks before it polls the socket. */
    if (opt == LBER_SB_OPT_DATA_READY && seal->plain.len > 0) {
        return 1;
    }
    return LBER_SBIOD_CTRL_NEXT(sbiod, opt, arg);
}

/* 1: all of it; 0: the server ended the connection; -1: error. */
static int read_whole(Sockbuf_IO_Desc *sbiod, unsigned char *buf, size_t len)
{
    while (len > 0) {
        ber_slen_t n = LBER_SBIOD_READ_NEXT(sbiod, buf, len);

        if (n <= 0) {
            return n < 0 ? -1 : 0;
        }
        buf += n;
        len -= (size_t)n;
    }
    return 1;
}

static bool write_whole(Sockbuf_IO_Desc *sbiod, struct cba_span data)
{
    while (data.len > 0) {
        ber_slen_t n = LBER_SBIOD_WRITE_NEXT(sbiod, (void *)(uintptr_t)data.ptr, data.len);

        if (n <= 0) {
            return false;
        }
        data.ptr += n;
        data.len -= (size_t)n;
    }
    return true;
}

/* Nothing that follows can be trusted or understood. */
static int broken(struct seal *seal, int error)
{
    seal->wire->error = error;
    errno = error;
    return -1;
}

static int read_message(Sockbuf_IO_Desc *sbiod, struct seal *seal)
{
    unsigned char length[LENGTH];
    size_t len;
    int rc = read_whole(sbiod, length, sizeof length);

    if (rc <= 0) {
        return rc;
    }
    len = (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3];
    if (len > sizeof seal->sealed) {
        return broken(seal, EBADMSG);
    }
    rc = read_whole(sbiod, seal->sealed, len);
    if (rc <= 0) {
        return rc;
    }
    if (!cba_sasl_unseal(seal->sasl, cba_span_of(seal->sealed, len), &seal->plain)) {
        return broken(seal, EBADMSG);
    }
    return 1;
}

static ber_slen_t seal_read(Sockbuf_IO_Desc *sbiod, void *buf, ber_len_t len)
{
    struct seal *seal = sbiod->sbiod_pvt;
    size_t n;

    while (seal->plain.len == 0) {
        int rc = read_message(sbiod, seal);

        if (rc <= 0) {
            return rc;
        }
    }
    n = seal->plain.len < len ? seal->plain.len : len;
    memcpy(buf, seal->plain.ptr, n);
    seal->plain.ptr += n;
    seal->plain.len -= n;
    return (ber_slen_t)n;
}

/* sasl's buffer is about to be used for a message of ours: what libldap has not yet read must
 * survive. */
static bool keep_plain(struct seal *seal)
{
    unsigned char *copy;

    if (seal->plain.len == 0) {
        return true;
    }
    copy = malloc(seal->plain.len);
    if (!copy) {
        return false;
    }
    memcpy(copy, seal->plain.ptr, seal->plain.len);
    free(seal->kept);
    seal->kept = copy;
    seal->plain.ptr = copy;
    return true;
}

static ber_slen_t seal_write(Sockbuf_IO_Desc *sbiod, void *buf, ber_len_t len)
{
    struct seal *seal = sbiod->sbiod_pvt;
    size_t max = cba_sasl_plain_max(seal->sasl);
    size_t n = len < max ? len : max;
    unsigned char length[LENGTH];
    struct cba_span sealed;

    if (!keep_plain(seal)) {
        return broken(seal, ENOMEM);
    }
    if (!cba_sasl_seal(seal->sasl, cba_span_of(buf, n), &sealed) || sealed.len > UINT32_MAX) {
        return broken(seal, EIO);
    }
    length[0] = (unsigned char)(sealed.len >> 24);
    length[1] = (unsigned char)(sealed.len >> 16);
    length[2] = (unsigned char)(sealed.len >> 8);
    length[3] = (unsigned char)sealed.len;
    /* libldap sends a piece again after EAGAIN only, which the socket above never says: half a
     * message is the end of it. */
    if (!write_whole(sbiod, cba_span_of(length, sizeof length)) || !write_whole(sbiod, sealed)) {
        return -1;
    }
    return (ber_slen_t)n;
}

static int seal_close(Sockbuf_IO_Desc *sbiod)
{
    (void)sbiod;
    return 0;
}

static Sockbuf_IO seal_io = {
    .sbi_setup = seal_setup,
    .sbi_remove = seal_remove,
    .sbi_ctrl = seal_ctrl,
    .sbi_read = seal_read,
    .sbi_write = seal_write,
    .sbi_close = seal_close,
};

bool cba_wire_seal(struct cba_wire *wire, LDAP *ld, struct cba_sasl *sasl)
{
    Sockbuf *sb = sockbuf_of(ld);
    struct parties parties = {wire, sasl};

    return sb && ber_sockbuf_add_io(sb, &seal_io, LBER_SBIOD_LEVEL_APPLICATION, &parties) == 0;
}
