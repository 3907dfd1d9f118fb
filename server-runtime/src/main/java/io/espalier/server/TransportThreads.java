package io.espalier.server;

import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.netty.shaded.io.netty.channel.EventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.MultiThreadIoEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.epoll.Epoll;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollIoHandler;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollServerSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.nio.NioIoHandler;
import io.grpc.netty.shaded.io.netty.channel.socket.nio.NioServerSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.socket.nio.NioSocketChannel;
import io.grpc.netty.shaded.io.netty.util.concurrent.DefaultThreadFactory;
import java.util.concurrent.ThreadFactory;

/**
 * The threads of all connections of this process. They decide whether a call is let in, and sleep
 * otherwise: on a full machine they need not wait behind the work that was let in.
 */
final class TransportThreads {
  // As many as Netty takes by itself.
  private static final int BY_PROCESSORS = 0;

  private static final EventLoopGroup GROUP =
      new MultiThreadIoEventLoopGroup(
          BY_PROCESSORS,
          threads(),
          Epoll.isAvailable() ? EpollIoHandler.newFactory() : NioIoHandler.newFactory());

  private TransportThreads() {}

  private static ThreadFactory threads() {
    return new DefaultThreadFactory("transport", true) {
      @Override
      protected Thread newThread(Runnable loop, String name) {
        return super.newThread(
            () -> {
              ThreadScheduling.wakePromptly();
              loop.run();
            },
            name);
      }
    };
  }

  static NettyServerBuilder serve(NettyServerBuilder server) {
    return server
        .bossEventLoopGroup(GROUP)
        .workerEventLoopGroup(GROUP)
        .channelType(
            Epoll.isAvailable() ? EpollServerSocketChannel.class : NioServerSocketChannel.class);
  }

  static NettyChannelBuilder call(NettyChannelBuilder channel) {
    return channel
        .eventLoopGroup(GROUP)
        .channelType(Epoll.isAvailable() ? EpollSocketChannel.class : NioSocketChannel.class);
  }
}
