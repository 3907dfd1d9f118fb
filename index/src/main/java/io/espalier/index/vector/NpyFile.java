package io.espalier.index.vector;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads a matrix from a NumPy file: format 1.0, C order, little-endian {@code <f4} or {@code <f2},
 * one or two dimensions (one dimension is a column).
 */
public final class NpyFile {
  private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
  private static final int PREAMBLE = MAGIC.length + 2;
  private static final Pattern HEADER =
      Pattern.compile(
          "\\{'descr': '(?<type>[^']+)', 'fortran_order': (?<fortran>True|False), "
              + "'shape': \\((?<rows>\\d+),(?: (?<width>\\d+))?\\),? *}\\s*");

  private NpyFile() {}

  /**
   * Reads the file; half-precision values are widened.
   *
   * @throws IOException when the file is not of the kind above or not of the size its header says
   */
  public static FloatMatrix read(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      if (channel.size() > Integer.MAX_VALUE) {
        throw new IOException(file + ": " + channel.size() + " bytes (expected: < 2 GiB)");
      }
      ByteBuffer bytes =
          channel
              .map(FileChannel.MapMode.READ_ONLY, 0, channel.size())
              .order(ByteOrder.LITTLE_ENDIAN);
      return read(file, bytes);
    }
  }

  private static FloatMatrix read(Path file, ByteBuffer bytes) throws IOException {
    if (bytes.remaining() < PREAMBLE
        || !bytes.slice(0, MAGIC.length).equals(ByteBuffer.wrap(MAGIC))) {
      throw new IOException(file + ": not a NumPy file of format 1.0");
    }
    bytes.position(MAGIC.length);
    int length = Short.toUnsignedInt(bytes.getShort());
    if (bytes.remaining() < length) {
      throw new IOException(file + ": " + length + " bytes of header (expected: in the file)");
    }
    byte[] text = new byte[length];
    bytes.get(text);
    String header = new String(text, StandardCharsets.US_ASCII);
    Matcher matcher = HEADER.matcher(header);
    if (!matcher.matches() || matcher.group("fortran").equals("True")) {
      throw new IOException(
          file + ": header " + header.strip() + " (expected: C order, one or two dimensions)");
    }
    int rows = Integer.parseInt(matcher.group("rows"));
    String second = matcher.group("width");
    int width = second == null ? 1 : Integer.parseInt(second);
    String type = matcher.group("type");
    int size =
        switch (type) {
          case "<f4" -> Float.BYTES;
          case "<f2" -> Short.BYTES;
          default -> throw new IOException(file + ": type " + type + " (expected: <f4 or <f2)");
        };
    if ((long) rows * width * size != bytes.remaining()) {
      throw new IOException(
          file
              + ": "
              + bytes.remaining()
              + " bytes (expected: "
              + rows
              + " x "
              + width
              + " "
              + type
              + ")");
    }
    float[] values = new float[rows * width];
    if (size == Float.BYTES) {
      bytes.asFloatBuffer().get(values);
    } else {
      for (int i = 0; i < values.length; i++) {
        values[i] = Float.float16ToFloat(bytes.getShort());
      }
    }
    return new FloatMatrix(rows, width, values);
  }
}
