/* SPDX-License-Identifier: Apache-2.0
 *
 * That real acceptors take such tokens is shown by tests/integration (mod_auth_gssapi, and a GSSAPI
 * acceptor with channel bindings); here is what they do not look at.
 */
#include "unit.h"

#include "cba_spnego.h"
#include "exact.h"

/* The contents of a DER value whose tag is known; *rest gets what stands behind it. */
static struct cba_span open_value(struct cba_span in, unsigned char tag, struct cba_span *rest)
{
    size_t len, head = 2;

    assert_true(in.len >= 2);
    assert_int_equal(in.ptr[0], tag);
    len = in.ptr[1];
    if (len >= 0x80) {
        size_t count = len - 0x80;

        assert_in_range(count, 1, 3);
        assert_int_not_equal(in.ptr[2], 0); /* DER: no leading zero */
        for (len = 0; head < 2 + count; head++) {
            len = len << 8 | in.ptr[head];
        }
        assert_true(len >= 0x80);
        assert_true(count == 1 || len >= (size_t)1 << 8 * (count - 1));
    }
    assert_true(in.len - head >= len);
    *rest = cba_span_of(in.ptr + head + len, in.len - head - len);
    return cba_span_of(in.ptr + head, len);
}

/* The same where nothing may stand behind. */
static struct cba_span open_last(struct cba_span in, unsigned char tag)
{
    struct cba_span rest, inside = open_value(in, tag, &rest);

    assert_int_equal(rest.len, 0);
    return inside;
}

static struct cba_span after(struct cba_span in, const char *bytes, size_t len)
{
    assert_true(in.len >= len);
    assert_memory_equal(in.ptr, bytes, len);
    return cba_span_of(in.ptr + len, in.len - len);
}

#define AFTER(in, literal) after(in, literal, sizeof(literal) - 1)

#define KRB5_OID "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"

static void the_frames(void **state)
{
    /* Around each length at which a header of one of the frames grows. */
    static const size_t around[] = {1, 60, 110, 128, 190, 230, 256, 65400, 65500, 65536, 100000};

    (void)state;
    for (size_t i = 0; i < COUNT(around); i++) {
        for (size_t len = around[i] > 30 ? around[i] - 30 : 1; len <= around[i] + 30; len++) {
            struct cba_span ap_req = exact_fill(0xA5, len), token, in;
            size_t size = cba_spnego_size(len);
            unsigned char *out = malloc(size);

            cba_spnego_write(ap_req, out);
            token = cba_span_of(out, size);
            in = AFTER(open_last(token, 0x60), "\x06\x06\x2b\x06\x01\x05\x05\x02");
            in = open_last(open_last(in, 0xa0), 0x30);
            in = AFTER(in, "\xa0\x0d\x30\x0b" KRB5_OID);
            in = open_last(open_last(open_last(in, 0xa2), 0x04), 0x60);
            in = AFTER(in, KRB5_OID "\x01\x00");
            assert_int_equal(in.len, len);
            assert_memory_equal(in.ptr, ap_req.ptr, len);
            free(out);
        }
    }
}

static void a_short_token_byte_by_byte(void **state)
{
    static const char wanted[] =
        "\x60\x2f\x06\x06\x2b\x06\x01\x05\x05\x02" /* SPNEGO */
        "\xa0\x25\x30\x23"
        "\xa0\x0d\x30\x0b" KRB5_OID "\xa2\x12\x04\x10\x60\x0e" KRB5_OID "\x01\x00"
        "\x6e";
    unsigned char out[sizeof wanted - 1];

    (void)state;
    assert_int_equal(cba_spnego_size(1), sizeof out);
    cba_spnego_write(EXACT("\x6e"), out);
    assert_memory_equal(out, wanted, sizeof out);
}

static void the_head_of_a_binding(void **state)
{
    static const char wanted[] = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x04\x03\x02\x01";
    unsigned char out[CBA_SPNEGO_BINDING_HEAD];

    (void)state;
    memset(out, 0xff, sizeof out);
    cba_spnego_binding_head(0x01020304, out);
    assert_memory_equal(out, wanted, sizeof out);
}

static void the_checksum(void **state)
{
    unsigned char out[CBA_SPNEGO_CHECKSUM];

    (void)state;
    memset(out, 0xff, sizeof out);
    cba_spnego_checksum((const unsigned char *)"0123456789abcdef", out);
    assert_memory_equal(out,
                        "\x10\0\0\0"
                        "0123456789abcdef"
                        "\x20\0\0\0",
                        sizeof out);
    memset(out, 0xff, sizeof out);
    cba_spnego_checksum(NULL, out);
    assert_memory_equal(out,
                        "\x10\0\0\0"
                        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                        "\x20\0\0\0",
                        sizeof out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_frames),
        cmocka_unit_test(a_short_token_byte_by_byte),
        cmocka_unit_test(the_head_of_a_binding),
        cmocka_unit_test(the_checksum),
    };

    return cmocka_run_group_tests_name("spnego", tests, NULL, NULL);
}
