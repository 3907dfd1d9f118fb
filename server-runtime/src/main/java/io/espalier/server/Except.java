package io.espalier.server;

import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import java.util.Set;

/** An interceptor of all calls but those of some methods. */
final class Except implements ServerInterceptor {
  private final Set<String> methods;
  private final ServerInterceptor others;

  /**
   * @param methods by full name, whose calls pass it by
   * @param others intercepts the others
   */
  Except(Set<String> methods, ServerInterceptor others) {
    this.methods = Set.copyOf(methods);
    this.others = others;
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    return methods.contains(call.getMethodDescriptor().getFullMethodName())
        ? next.startCall(call, headers)
        : others.interceptCall(call, headers, next);
  }
}
