"""Just enough of Thrift's compact protocol to see what pyarrow does not show:
the page headers of a Parquet file and the root of its schema."""

STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)


class Reader:
    """Reads values from a buffer; pos is the next byte."""

    def __init__(self, buf: bytes, pos: int = 0):
        self.buf, self.pos = buf, pos

    def byte(self) -> int:
        self.pos += 1
        return self.buf[self.pos - 1]

    def varint(self) -> int:
        n = shift = 0
        while True:
            b = self.byte()
            n |= (b & 0x7F) << shift
            if b < 0x80:
                return n
            shift += 7

    def zigzag(self) -> int:
        n = self.varint()
        return (n >> 1) ^ -(n & 1)

    def take(self, n: int) -> bytes:
        self.pos += n
        return self.buf[self.pos - n : self.pos]

    def struct(self) -> dict[int, object]:
        """A struct as values by field id."""
        out, field = {}, 0
        while True:
            head = self.byte()
            kind, delta = head & 0x0F, head >> 4
            if kind == STOP:
                return out
            field = field + delta if delta else self.zigzag()
            out[field] = kind == TRUE if kind in (TRUE, FALSE) else self.value(kind)

    def value(self, kind: int):
        if kind in (I16, I32, I64):
            return self.zigzag()
        if kind in (TRUE, FALSE, BYTE):
            return self.byte()
        if kind == DOUBLE:
            return self.take(8)
        if kind == BINARY:
            return self.take(self.varint())
        if kind in (LIST, SET):
            return self.list()
        if kind == STRUCT:
            return self.struct()
        raise ValueError(f"a Thrift type that Parquet does not use: {kind}")

    def list(self) -> list:
        head = self.byte()
        kind, size = head & 0x0F, head >> 4
        if size == 15:
            size = self.varint()
        return [self.value(kind) for _ in range(size)]
