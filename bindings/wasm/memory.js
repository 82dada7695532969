// The module's memory, from where its own data ends: JavaScript gives it out, and the module allocates nothing.

const ALIGNMENT = 16;
const PAGE = 65_536;

/** Blocks by first fit. */
export class Heap {
  #memory;
  /** What is free, by address; none of it touches the next. */
  #free;

  constructor({ memory, __heap_base: base }) {
    this.#memory = memory;
    this.#free = [{ at: aligned(base.value >>> 0), end: memory.buffer.byteLength }];
  }

  /** The address of a block. Memory may grow, and detach all views of it. */
  allocate(bytes) {
    const size = aligned(Math.max(1, bytes));
    const fits = ({ at, end }) => end - at >= size;
    if (!this.#free.some(fits)) this.#grow(bytes, size);
    const place = this.#free.findIndex(fits);
    const block = this.#free[place];
    const { at } = block;
    block.at += size;
    if (block.at === block.end) this.#free.splice(place, 1);
    return at;
  }

  /** Takes back a block of so many bytes. */
  release(at, bytes) {
    this.#add(at, at + aligned(Math.max(1, bytes)));
  }

  #grow(bytes, size) {
    const end = this.#memory.buffer.byteLength;
    const last = this.#free.at(-1);
    const missing = size - (last?.end === end ? end - last.at : 0);
    try {
      this.#memory.grow(Math.ceil(missing / PAGE));
    } catch {
      throw new RangeError(`no memory for ${bytes} bytes`);
    }
    this.#add(end, this.#memory.buffer.byteLength);
  }

  #add(at, end) {
    const free = this.#free;
    const next = free.findIndex((block) => block.at >= end);
    const place = next < 0 ? free.length : next;
    const [before, after] = [free[place - 1], free[place]];
    const [joins, joined] = [before?.end === at, after?.at === end];
    const block = { at: joins ? before.at : at, end: joined ? after.end : end };
    free.splice(place - joins, joins + joined, block);
  }
}

function aligned(bytes) {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
