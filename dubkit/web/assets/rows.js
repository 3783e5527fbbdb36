// A long list of which only the visible rows exist. A row's element stays while it is visible, and
// the one with the cursor always stays, so that no redraw takes the cursor away.

const BEYOND = 6; // rows above and below the visible ones
const GUESS = 58; // pixels of a row that was never visible

/** Manages the rows of `list`; `make(index)` creates a row, `fill(row, index)` updates its content
 * whenever needed. */
export function rowList(list, make, fill) {
  let count = 0;
  let heights = [];
  let tops = [0];
  let whole = 0;
  let waiting = false;
  const rows = new Map();
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.isConnected && target.offsetHeight) heights[target.index] = target.offsetHeight;
    }
    later();
  });

  list.addEventListener("scroll", later, { passive: true });
  new ResizeObserver(later).observe(list);

  /** Set the number of rows, and refill the visible ones. */
  function show(wanted) {
    count = wanted;
    heights = Array.from({ length: count }, (_, index) => heights[index] ?? GUESS);
    for (const [index, row] of rows) index < count ? fill(row, index) : drop(index);
    place();
  }

  function later() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      place();
    });
  }

  function place() {
    sum();
    const first = Math.max(rowAt(list.scrollTop) - BEYOND, 0);
    const last = Math.min(rowAt(list.scrollTop + list.clientHeight) + BEYOND, count - 1);
    for (const [index, row] of rows) {
      if ((index < first || index > last) && !row.contains(document.activeElement)) drop(index);
    }
    const fresh = [];
    for (let index = first; index <= last; index += 1) if (!rows.has(index)) fresh.push(put(index));
    // Measured together, so that the browser lays them out once.
    for (const row of fresh) heights[row.index] = row.offsetHeight || heights[row.index];
    if (fresh.length) sum();
    for (const [index, row] of rows) row.style.transform = `translateY(${tops[index]}px)`;
  }

  function sum() {
    tops = [0];
    for (let index = 0; index < count; index += 1) tops.push(tops[index] + heights[index]);
    // Only if it is another: all elements of the list are looked at then.
    if (whole !== tops[count]) list.style.setProperty("--dk-whole", `${(whole = tops[count])}px`);
  }

  function put(index) {
    const row = make(index);
    row.index = index;
    row.setAttribute("aria-setsize", count);
    row.setAttribute("aria-posinset", index + 1);
    fill(row, index);
    // In the order of the rows, which is the order of Tab.
    const after = [...list.children].find((other) => other.index > index) ?? null;
    list.insertBefore(row, after);
    rows.set(index, row);
    sizes.observe(row);
    return row;
  }

  function drop(index) {
    const row = rows.get(index);
    rows.delete(index);
    sizes.unobserve(row);
    row.remove();
  }

  function rowAt(pixel) {
    let [low, high] = [0, Math.max(count - 1, 0)];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (tops[middle] <= pixel) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Bring the row of an index into view, and return it. */
  function reveal(index) {
    if (index < 0 || index >= count) return null;
    if (tops[index] < list.scrollTop || tops[index] + heights[index] > list.scrollTop + list.clientHeight) {
      list.scrollTop = tops[index] - list.clientHeight / 3;
    }
    place();
    place(); // by the heights just measured
    return rows.get(index);
  }

  return { show, reveal, row: (index) => rows.get(index), seen: () => rows };
}
