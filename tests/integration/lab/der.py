# SPDX-License-Identifier: Apache-2.0
"""A writer of DER (X.690), just large enough to build certificates of any shape, odd ones included.

Every function returns bytes.  Nothing is checked: a test may want what no CA would make.
"""


def tlv(tag, *content):
    """One element: a tag byte and the concatenated content."""
    body = b"".join(content)
    size = len(body)
    if size < 0x80:
        length = bytes([size])
    else:
        digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
        length = bytes([0x80 | len(digits)]) + digits
    return bytes([tag]) + length + body


def sequence(*content):
    return tlv(0x30, *content)


def set_of(*content):
    return tlv(0x31, *content)


def boolean(value):
    return tlv(0x01, b"\xff" if value else b"\x00")


def integer(value):
    """INTEGER in the shortest two's complement form."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1 if value >= 0 else
                                    (value + 1).bit_length() // 8 + 1, "big", signed=True))


def octets(content):
    return tlv(0x04, content)


def bits(content, unused=0):
    return tlv(0x03, bytes([unused]), content)


def null():
    return tlv(0x05)


def oid(dotted):
    """OBJECT IDENTIFIER from its dotted text."""
    arcs = [int(arc) for arc in dotted.split(".")]
    body = b""
    for arc in [arcs[0] * 40 + arcs[1]] + arcs[2:]:
        group = bytes([arc & 0x7f])
        arc >>= 7
        while arc:
            group = bytes([0x80 | (arc & 0x7f)]) + group
            arc >>= 7
        body += group
    return tlv(0x06, body)


def utf8(text):
    return tlv(0x0c, text.encode() if isinstance(text, str) else text)


def printable(text):
    return tlv(0x13, text.encode("ascii"))


def ia5(text):
    return tlv(0x16, text.encode("latin-1"))


def bmp(text):
    return tlv(0x1e, text.encode("utf-16-be"))


def time(moment):
    """UTCTime until 2049, GeneralizedTime after (RFC 5280 section 4.1.2.5)."""
    if 1950 <= moment.year < 2050:
        return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def explicit(number, *content):
    """[number] EXPLICIT, or an IMPLICIT constructed type whose inner tag is replaced."""
    return tlv(0xa0 | number, *content)


def implicit(number, content):
    """[number] IMPLICIT of a primitive type; content without its own tag."""
    return tlv(0x80 | number, content)
