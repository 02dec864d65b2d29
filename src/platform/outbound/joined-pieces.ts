/** A larger piece is handed on as it is: joining it would only copy it. */
const LARGE_BYTES = 4 * 1024;
/** So much is handed on together at most, but for a large piece at its end. */
const MOST_BYTES = 16 * 1024;

/**
 * Joins what one read of a connection brings in small pieces. A server may send its answer byte by byte: each piece costs its
 * readers as much time, and a hundred bytes of memory, as a large one does.
 */
export class JoinedPieces {
  private pieces: Buffer[] = [];
  private bytes = 0;

  /** @param handOn gets some bytes, and the number of pieces in which they came */
  constructor(private readonly handOn: (bytes: Buffer, pieces: number) => void) {}

  add(piece: Buffer): void {
    if (this.pieces.length === 0) {
      if (piece.length >= LARGE_BYTES) return this.handOn(piece, 1);
      // It runs when all that was read has been taken apart.
      queueMicrotask(() => this.flush());
    }
    this.pieces.push(piece);
    this.bytes += piece.length;
    if (this.bytes >= MOST_BYTES) this.flush();
  }

  /** Hands on what waits. */
  flush(): void {
    const { pieces, bytes } = this;
    const first = pieces[0];
    if (first === undefined) return;
    this.pieces = [];
    this.bytes = 0;
    this.handOn(pieces.length === 1 ? first : Buffer.concat(pieces, bytes), pieces.length);
  }
}
