package io.espalier.inference;

/** Element types of tensors, named as in the Open Inference Protocol. */
public enum DataType {
  BOOL(1),
  INT32(4),
  INT64(8),
  FP16(2),
  FP32(4);

  private final int bytes;

  DataType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }
}
