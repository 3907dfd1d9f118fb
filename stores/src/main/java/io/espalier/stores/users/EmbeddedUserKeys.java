package io.espalier.stores.users;

import io.espalier.stores.Folders;
import io.espalier.stores.log.LogException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Users' keys in the memory of this process, and in one file of slots of equal size, which one
 * process at a time writes.
 *
 * <p>A slot is 128 bytes, so that none lies across two sectors of a disk: CRC-32C, the user's hash,
 * the key's id, the key, and until when he is forgotten. A key is destroyed by zeros in its place,
 * forced. What a disk keeps of overwritten places is the disk's.
 */
public final class EmbeddedUserKeys implements UserKeys {
  private static final String FILE = "user-keys";
  private static final int SLOT = 128;
  private static final int HASH_BYTES = 16;
  private static final byte[] NO_ID = new byte[UserKey.ID_BYTES];

  private final Path place;
  private final @Nullable RandomAccessFile file;
  private final ConcurrentMap<String, Kept> byUser = new ConcurrentHashMap<>();
  private final ConcurrentMap<String, UserKey> byId = new ConcurrentHashMap<>();
  // Slots of the file; guarded by this.
  private long slots;

  /** A user's slot: where it is, his key, and until when he is forgotten. */
  private record Kept(long slot, @Nullable UserKey key, Instant erased) {}

  private EmbeddedUserKeys(Path place, @Nullable RandomAccessFile file) {
    this.place = place;
    this.file = file;
  }

  /** Keys that end with the process. */
  public static EmbeddedUserKeys inMemory() {
    return new EmbeddedUserKeys(Path.of(FILE), null);
  }

  /**
   * Opens the keys of a folder, or begins them.
   *
   * @throws LogException when they cannot be read, do not verify, or another process has them
   */
  public static EmbeddedUserKeys open(Path folder) {
    Path place = folder.resolve(FILE);
    try {
      Folders.make(folder);
      boolean made = !Files.exists(place);
      RandomAccessFile file = new RandomAccessFile(place.toFile(), "rw");
      try {
        if (made) {
          Folders.force(folder);
        }
        if (!locked(file)) {
          throw new LogException(place + ": held by another process (expected: one at a time)");
        }
        EmbeddedUserKeys keys = new EmbeddedUserKeys(place, file);
        keys.load(file);
        return keys;
      } catch (IOException | RuntimeException e) {
        file.close();
        throw e;
      }
    } catch (IOException e) {
      throw new LogException(place + ": cannot be opened", e);
    }
  }

  /**
   * The keys of a folder as they are now, whoever writes them; none are made or destroyed by it.
   *
   * @throws LogException when they cannot be read or do not verify
   */
  public static EmbeddedUserKeys read(Path folder) {
    Path place = folder.resolve(FILE);
    try (RandomAccessFile file = new RandomAccessFile(place.toFile(), "r")) {
      EmbeddedUserKeys keys = new EmbeddedUserKeys(place, null);
      keys.load(file);
      return keys;
    } catch (IOException e) {
      throw new LogException(place + ": cannot be read", e);
    }
  }

  @SuppressWarnings("resource") // The lock goes with the file.
  private static boolean locked(RandomAccessFile file) throws IOException {
    try {
      return file.getChannel().tryLock() != null;
    } catch (OverlappingFileLockException e) {
      return false;
    }
  }

  private synchronized void load(RandomAccessFile from) throws IOException {
    // A part of a slot at the end was never acknowledged; the next takes its place.
    long count = from.length() / SLOT;
    byte[] bytes = new byte[SLOT];
    from.seek(0);
    for (long slot = 0; slot < count; slot++) {
      from.readFully(bytes);
      ByteBuffer in = ByteBuffer.wrap(bytes);
      if (in.getInt() != checksum(bytes)) {
        if (slot == count - 1) {
          break;
        }
        throw new LogException("%s: key %d does not verify".formatted(place, slot));
      }
      String hash = HexFormat.of().formatHex(bytes, 4, 4 + HASH_BYTES);
      in.position(4 + HASH_BYTES);
      byte[] id = new byte[UserKey.ID_BYTES];
      byte[] secret = new byte[UserKey.KEY_BYTES];
      in.get(id).get(secret);
      Instant erased = Instant.ofEpochSecond(in.getLong(), in.getInt());
      boolean none = Arrays.equals(id, NO_ID);
      keep(hash, new Kept(slot, none ? null : new UserKey(id, secret, erased), erased));
      slots = slot + 1;
    }
  }

  private void keep(String hash, Kept kept) {
    byUser.put(hash, kept);
    UserKey key = kept.key();
    if (key != null) {
      byId.put(key.id(), key);
    }
  }

  private static int checksum(byte[] slot) {
    CRC32C crc = new CRC32C();
    crc.update(slot, Integer.BYTES, SLOT - Integer.BYTES);
    return (int) crc.getValue();
  }

  /** Until when what was known of a user is forgotten; empty for one who was never erased. */
  public Optional<Instant> erased(String user) {
    Kept kept = byUser.get(UserHash.of(user));
    return kept == null || kept.erased().equals(Instant.MIN)
        ? Optional.empty()
        : Optional.of(kept.erased());
  }

  @Override
  public Map<String, UserKey> keys(Set<String> users, Duration within) {
    Map<String, UserKey> found = HashMap.newHashMap(users.size());
    for (String user : users) {
      UserEvent.checkUser(user);
      Kept kept = byUser.get(UserHash.of(user));
      if (kept != null && kept.key() != null) {
        found.put(user, kept.key());
      }
    }
    return found.size() == users.size() ? found : made(users);
  }

  private synchronized Map<String, UserKey> made(Set<String> users) {
    Map<String, UserKey> found = HashMap.newHashMap(users.size());
    Map<String, Kept> fresh = new HashMap<>();
    long next = slots;
    for (String user : users) {
      String hash = UserHash.of(user);
      Kept kept = byUser.get(hash);
      UserKey key = kept == null ? null : kept.key();
      if (key == null) {
        Instant erased = kept == null ? Instant.MIN : kept.erased();
        key = UserKey.random(erased);
        fresh.put(hash, new Kept(kept == null ? next++ : kept.slot(), key, erased));
      }
      found.put(user, key);
    }
    try {
      for (Map.Entry<String, Kept> one : fresh.entrySet()) {
        write(one.getKey(), one.getValue());
      }
      force();
    } catch (IOException e) {
      throw UserStateException.failed(place + ": cannot be written", e);
    }
    slots = next;
    fresh.forEach(this::keep);
    return found;
  }

  private void write(String hash, Kept kept) throws IOException {
    if (file == null) {
      return;
    }
    byte[] bytes = new byte[SLOT];
    ByteBuffer out = ByteBuffer.wrap(bytes).position(Integer.BYTES);
    UserKey key = kept.key();
    out.put(HexFormat.of().parseHex(hash));
    out.put(key == null ? NO_ID : key.idBytes());
    out.put(key == null ? new byte[UserKey.KEY_BYTES] : key.secret());
    Instant erased = kept.erased();
    out.putLong(erased.getEpochSecond()).putInt(erased.getNano());
    out.putInt(0, checksum(bytes));
    file.seek(kept.slot() * SLOT);
    file.write(bytes);
  }

  private void force() throws IOException {
    if (file != null) {
      file.getFD().sync();
    }
  }

  @Override
  public Map<String, UserKey> find(Set<String> ids, Duration within) {
    Map<String, UserKey> found = HashMap.newHashMap(ids.size());
    for (String id : ids) {
      UserKey key = byId.get(id);
      if (key != null) {
        found.put(id, key);
      }
    }
    return found;
  }

  @Override
  public synchronized void destroy(String user, Instant at, Duration within) {
    UserEvent.checkUser(user);
    String hash = UserHash.of(user);
    Kept kept = byUser.get(hash);
    long slot = kept == null ? slots : kept.slot();
    Instant until = kept == null || kept.erased().isBefore(at) ? at : kept.erased();
    Kept marked = new Kept(slot, null, until);
    try {
      write(hash, marked);
      force();
    } catch (IOException e) {
      throw UserStateException.failed(place + ": cannot be written", e);
    }
    slots = Math.max(slots, slot + 1);
    byUser.put(hash, marked);
    if (kept != null && kept.key() != null) {
      byId.remove(kept.key().id());
    }
  }

  @Override
  public synchronized void close() {
    if (file != null) {
      try {
        file.close();
      } catch (IOException e) {
        throw new LogException(place + ": cannot be closed", e);
      }
    }
  }
}
