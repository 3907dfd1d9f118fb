package io.espalier.index;

import static io.espalier.index.file.Numbers.BYTE;
import static io.espalier.index.file.Numbers.INT;

import io.espalier.index.file.SectionFile;
import io.espalier.index.file.SectionFileWriter;
import io.espalier.index.file.TextTable;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * External ids in a fixed order: an item's position is its index. Off the heap or in a mapped file:
 * the ids in a row, and an open-addressed table from their hash to the index, two thirds full.
 */
public final class ItemIds {
  private final TextTable ids;
  // Index + 1; 0 for a free slot.
  private final MemorySegment slots;
  private final int slotCount;

  private ItemIds(TextTable ids, MemorySegment slots) {
    this.ids = ids;
    this.slots = slots;
    this.slotCount = Math.toIntExact(slots.byteSize() / Integer.BYTES);
  }

  /**
   * Numbers ids in the order of the list.
   *
   * @throws IllegalArgumentException when an id occurs twice
   */
  public static ItemIds of(List<String> ids) {
    Builder builder = new Builder();
    ids.forEach(builder::add);
    return builder.build(Arena.ofAuto());
  }

  /** The ids that {@link #addTo} added to a file. */
  public static ItemIds of(SectionFile file) throws IOException {
    return new ItemIds(TextTable.of(file, "ids"), file.section("id-slots"));
  }

  /** Adds the ids' sections to a file. */
  public void addTo(SectionFileWriter file) {
    ids.addTo(file, "ids");
    file.add("id-slots", slots);
  }

  public int size() {
    return ids.size();
  }

  public String id(int index) {
    return ids.get(index);
  }

  /** The index of an id; −1 when there is none. */
  public int indexOf(String id) {
    return indexOf(MemorySegment.ofArray(id.getBytes(StandardCharsets.UTF_8)));
  }

  /** The index of an item of another numbering; −1 when there is none. */
  public int indexOf(ItemIds others, int index) {
    return indexOf(others.ids.utf8(index));
  }

  private int indexOf(MemorySegment id) {
    return slots.getAtIndex(INT, slot(id)) - 1;
  }

  /** The slot of an id, or the free one where it would go. */
  private int slot(MemorySegment id) {
    int slot = (int) (((hash(id) >>> 32) * slotCount) >>> 32);
    while (true) {
      int index = slots.getAtIndex(INT, slot) - 1;
      if (index < 0 || ids.utf8(index).mismatch(id) == -1) {
        return slot;
      }
      slot = slot + 1 == slotCount ? 0 : slot + 1;
    }
  }

  /** FNV-1a with Murmur3's last step, since slots are taken by the upper bits. */
  private static long hash(MemorySegment id) {
    long hash = 0xcbf29ce484222325L;
    for (long at = 0; at < id.byteSize(); at++) {
      hash = (hash ^ id.get(BYTE, at)) * 0x100000001b3L;
    }
    hash = (hash ^ hash >>> 33) * 0xff51afd7ed558ccdL;
    return hash ^ hash >>> 33;
  }

  /** Bytes that the ids and their table take. */
  public long byteSize() {
    return ids.byteSize() + slots.byteSize();
  }

  /** Collects ids, in the order of their indices. */
  public static final class Builder {
    private final TextTable.Builder ids = new TextTable.Builder();

    public Builder add(String id) {
      ids.add(id);
      return this;
    }

    /** Adds an id of another numbering. */
    public Builder add(ItemIds others, int index) {
      ids.add(others.ids.utf8(index));
      return this;
    }

    /**
     * Makes the table.
     *
     * @param arena what the ids live in
     * @throws IllegalArgumentException when an id occurs twice
     */
    public ItemIds build(Arena arena) {
      TextTable texts = ids.build(arena);
      long slotCount = Math.max(1, texts.size() * 3L / 2 + 1);
      MemorySegment slots = arena.allocate(slotCount * Integer.BYTES, Integer.BYTES);
      ItemIds built = new ItemIds(texts, slots);
      for (int index = 0; index < texts.size(); index++) {
        int slot = built.slot(texts.utf8(index));
        int earlier = slots.getAtIndex(INT, slot) - 1;
        if (earlier >= 0) {
          throw new IllegalArgumentException(
              "id: "
                  + texts.get(index)
                  + " at "
                  + index
                  + " (expected: not the id of item "
                  + earlier
                  + ")");
        }
        slots.setAtIndex(INT, slot, index + 1);
      }
      return built;
    }
  }
}
