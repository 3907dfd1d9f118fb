package io.espalier.server;

import io.grpc.MethodDescriptor;
import java.io.InputStream;

/**
 * Hands a call's messages to the interceptors as the transport brought them.
 *
 * <p>Under it a request is parsed inside the interceptor chain, so that malformed bytes reach the
 * exception mapper instead of ending the call in the transport. It copies nothing: streams pass as
 * they are, and in-process calls still hand the message object over.
 */
final class RawMessages implements MethodDescriptor.Marshaller<InputStream> {
  @Override
  public InputStream stream(InputStream value) {
    return value;
  }

  @Override
  public InputStream parse(InputStream stream) {
    return stream;
  }
}
