package io.espalier.inference;

/** Element types of tensors, named as in the Open Inference Protocol. */
public enum DataType {
  BOOL(1),
  INT32(4),
  INT64(8),
  FP16(2),
  FP32(4),
  /** Bytes of any number: four that hold it, little-endian, and then they themselves. */
  BYTES(4);

  private final int bytes;

  DataType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes of one element; of {@link #BYTES} those of its length alone. */
  public int bytes() {
    return bytes;
  }
}
