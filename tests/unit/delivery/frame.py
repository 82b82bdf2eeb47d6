"""A frame of the wire, written and read by nothing but Python: docs/protocol.md quotes it."""

import struct

EVENT, BEAT, NEED, SEEN, GONE, FORK = 1, 2, 3, 4, 5, 6
FIELDS = {EVENT: ">Q16s", BEAT: ">QQ16s", NEED: ">QQ16s", SEEN: ">IIQ16s", GONE: ">Q", FORK: ">Q16s"}
MASK = (1 << 64) - 1


def mix(state, word):
    state = (state ^ word) * 0x9E3779B97F4A7C15 & MASK
    return state ^ state >> 32


def add(state, data):
    """Words of 8 bytes, little endian; then one more of the bytes that are left, perhaps none."""
    whole = len(data) // 8 * 8
    for at in range(0, whole, 8):
        state = mix(state, int.from_bytes(data[at:at + 8], "little"))
    return mix(state, int.from_bytes(data[whole:], "little"))


def sum_of(frame):
    state = add(mix(0, len(frame)), frame[:24])
    return mix(add(state, frame[28:]), 0) & 0xFFFFFFFF


def encode(kind, name, store, shard, fields, event=b""):
    head = struct.pack(">BBBB16sI", 1, kind, 0, len(name), store, shard)
    rest = struct.pack(FIELDS[kind], *fields) + name + event
    return head + struct.pack(">I", sum_of(head + bytes(4) + rest)) + rest


def decode(frame):
    version, kind, zero, size, store, shard, summed = struct.unpack(">BBBB16sII", frame[:28])
    if version != 1 or kind not in FIELDS or zero or not 1 <= size <= 31:
        raise ValueError("no frame")
    if summed != sum_of(frame):
        raise ValueError("its bytes were changed on the way")
    at = 28 + struct.calcsize(FIELDS[kind])
    fields = struct.unpack(FIELDS[kind], frame[28:at])
    return kind, frame[at:at + size], store, shard, fields, frame[at + size:]


# The same bytes as in tests/unit/delivery/frame.c: shard 2 of 256 of "a" has committed number 513.
WIRE = bytes.fromhex("01040001" "07070700000000000000000000000000" "00000003" "3e6d6aca"
                     "00000002" "00000100" "0000000000000201" "09000000000000000000000000000000" "61")
SEEN_513 = (SEEN, b"a", bytes([7] * 3 + [0] * 13), 3, (2, 256, 513, bytes([9] + [0] * 15)))

assert encode(*SEEN_513) == WIRE
assert decode(WIRE) == (*SEEN_513, b"")
