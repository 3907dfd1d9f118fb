package io.espalier.server;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;

/**
 * Tenant and priority, from a call's headers into its context and on to the calls that it makes.
 */
final class CallOrigin implements ServerInterceptor {
  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    Context context = Context.current();
    String tenant = headers.get(Tenant.HEADER);
    // An identity that was proved stands over one that is merely told.
    if (tenant != null && Tenant.KEY.get() == null) {
      if (tenant.isEmpty() || tenant.length() > Tenant.MAX_LENGTH) {
        throw RequestException.invalidArgument(
            "x-espalier-tenant: %d characters (expected: 1..%d)"
                .formatted(tenant.length(), Tenant.MAX_LENGTH));
      }
      context = context.withValue(Tenant.KEY, tenant);
    }
    String priority = headers.get(Priority.HEADER);
    if (priority != null) {
      context = context.withValue(Priority.KEY, Priority.parse(priority));
    }
    return context == Context.current()
        ? next.startCall(call, headers)
        : Contexts.interceptCall(context, call, headers, next);
  }

  /** Hands both on. */
  static final class Sender implements ClientInterceptor {
    @Override
    public <Q, R> ClientCall<Q, R> interceptCall(
        MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
      String tenant = Tenant.current();
      int priority = Priority.current();
      ClientCall<Q, R> call = next.newCall(method, options);
      if (tenant.isEmpty() && priority == 0) {
        return call;
      }
      return new SimpleForwardingClientCall<>(call) {
        @Override
        public void start(Listener<R> listener, Metadata headers) {
          if (!tenant.isEmpty()) {
            headers.put(Tenant.HEADER, tenant);
          }
          if (priority != 0) {
            headers.put(Priority.HEADER, Integer.toString(priority));
          }
          super.start(listener, headers);
        }
      };
    }
  }
}
