package io.espalier.stores.catalog;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A value that is made when it is first asked for, once; a failure is thrown again next time. */
final class Lazy<T> implements Supplier<T> {
  private final Supplier<T> source;
  private volatile @Nullable T value;

  Lazy(Supplier<T> source) {
    this.source = source;
  }

  @Override
  public T get() {
    T made = value;
    if (made != null) {
      return made;
    }
    synchronized (this) {
      made = value;
      if (made == null) {
        made = source.get();
        value = made;
      }
      return made;
    }
  }
}
