package io.espalier.testing;

import com.google.protobuf.MessageLite;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.grpc.BindableService;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.EnumMap;
import java.util.Map;
import java.util.UUID;
import java.util.function.IntFunction;

/** A stage behind the real server, in process, with a channel to it. */
public final class ServedStage implements AutoCloseable {
  private static final Bytes BYTES = new Bytes();

  private final EspalierServer server;
  private final ManagedChannel channel;

  private ServedStage(EspalierServer server, ManagedChannel channel) {
    this.server = server;
    this.channel = channel;
  }

  /** Serves; what the service uses stays the caller's to close, after this. */
  public static ServedStage of(String name, BindableService service) throws IOException {
    EspalierServer server =
        EspalierServer.builder(name, ServerConfig.defaults())
            .service(service)
            .buildInProcess(UUID.randomUUID().toString())
            .start();
    return new ServedStage(server, ClientChannels.open(server.target()));
  }

  /** The channel to it. */
  public ManagedChannel channel() {
    return channel;
  }

  /** The server. */
  public EspalierServer server() {
    return server;
  }

  /**
   * Calls a method with spoilt requests.
   *
   * @param sound the i-th request before it is spoilt
   * @return how often each status was the answer
   */
  public Map<Status.Code, Integer> callSpoilt(
      MethodDescriptor<?, ?> method,
      IntFunction<? extends MessageLite> sound,
      int times,
      long seed) {
    System.out.println("spoilt requests' seed: " + seed);
    SpoiltMessages messages = new SpoiltMessages(seed);
    MethodDescriptor<byte[], byte[]> raw = raw(method);
    Map<Status.Code, Integer> codes = new EnumMap<>(Status.Code.class);
    for (int i = 0; i < times; i++) {
      byte[] request = messages.spoil(sound.apply(i).toByteArray());
      Status.Code code = Status.Code.OK;
      try {
        ClientCalls.blockingUnaryCall(channel, raw, CallOptions.DEFAULT, request);
      } catch (StatusRuntimeException e) {
        code = e.getStatus().getCode();
      }
      codes.merge(code, 1, Integer::sum);
    }
    System.out.println(codes);
    return codes;
  }

  /** The method, taking and giving bytes. */
  public static MethodDescriptor<byte[], byte[]> raw(MethodDescriptor<?, ?> method) {
    return method.toBuilder(BYTES, BYTES).build();
  }

  @Override
  public void close() {
    channel.shutdownNow();
    server.close();
  }

  private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public InputStream stream(byte[] value) {
      return new ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
      try {
        return stream.readAllBytes();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
