package io.espalier.testing;

import io.espalier.stores.log.RecordLog;
import io.espalier.stores.log.RecordLogContract;
import org.jspecify.annotations.Nullable;

class MemoryLogTest extends RecordLogContract {
  private @Nullable MemoryLog log;

  @Override
  protected RecordLog open(long first) {
    if (log == null) {
      log = new MemoryLog(first);
    }
    return log;
  }
}
