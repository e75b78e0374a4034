"""The messages of Caffe's files, for Google's protobuf library: the part of caffe.proto that this package uses.

`data` and `double_data` of a BlobProto are packed arrays of float and double in caffe.proto. Here they are bytes, which
lie in a file in the same way: NumPy takes a layer's 38 million weights at once, where protobuf would make 38 million
Python numbers. A writer may also store each number in a field of its own; UnpackedBlobProto reads such a file.
NVIDIA's fork stores the values as `raw_data`. DataParameter stands for Caffe's DataParameter, ImageDataParameter and
WindowDataParameter, which number these two fields alike. The first layer format calls its `mean_file` `meanfile`.

Sources: https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto and, for `raw_data`,
https://github.com/NVIDIA/TensorRT/blob/release/8.6/parsers/caffe/proto/trtcaffe.proto
"""

import re
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SCHEMA = """
message NetParameter {
  optional string name = 1;
  repeated V1LayerParameter layers = 2;
  repeated string input = 3;
  repeated int32 input_dim = 4;
  repeated BlobShape input_shape = 8;
  repeated LayerParameter layer = 100;
}
message LayerParameter {
  optional string name = 1;
  optional string type = 2;
  repeated string bottom = 3;
  repeated string top = 4;
  repeated BlobProto blobs = 7;
  optional TransformationParameter transform_param = 100;
  optional DataParameter data_param = 107;
  optional DataParameter image_data_param = 115;
  optional DataParameter window_data_param = 129;
  optional ConvolutionParameter convolution_param = 106;
  optional InnerProductParameter inner_product_param = 117;
  optional LRNParameter lrn_param = 118;
  optional PoolingParameter pooling_param = 121;
  optional InputParameter input_param = 143;
}
message V1LayerParameter {
  optional V0LayerParameter layer = 1;
  optional string name = 4;
  repeated BlobProto blobs = 6;
  optional DataParameter data_param = 11;
  optional DataParameter image_data_param = 15;
  optional DataParameter window_data_param = 20;
  optional TransformationParameter transform_param = 36;
}
message V0LayerParameter {
  optional string name = 1;
  optional float scale = 17;
  optional string mean_file = 18;
  repeated BlobProto blobs = 50;
}
message DataParameter {
  optional float scale = 2;
  optional string mean_file = 3;
}
message BlobProto {
  optional int32 num = 1;
  optional int32 channels = 2;
  optional int32 height = 3;
  optional int32 width = 4;
  repeated bytes data = 5;
  optional BlobShape shape = 7;
  repeated bytes double_data = 8;
  optional int32 raw_data_type = 10;
  optional bytes raw_data = 12;
}
message UnpackedBlobProto {
  repeated float data = 5;
  repeated double double_data = 8;
}
message BlobShape {
  repeated int64 dim = 1 [packed = true];
}
message TransformationParameter {
  optional float scale = 1;
  optional string mean_file = 4;
  repeated float mean_value = 5;
}
message InputParameter {
  repeated BlobShape shape = 1;
}
message ConvolutionParameter {
  optional uint32 num_output = 1;
  repeated uint32 pad = 3;
  repeated uint32 kernel_size = 4;
  optional uint32 group = 5;
  repeated uint32 stride = 6;
}
message InnerProductParameter {
  optional uint32 num_output = 1;
}
message LRNParameter {
  optional uint32 local_size = 1;
  optional float alpha = 2;
  optional float beta = 3;
}
message PoolingParameter {
  optional PoolMethod pool = 1;
  optional uint32 kernel_size = 2;
  optional uint32 stride = 3;
}
"""
POOL_METHODS = ("MAX", "AVE", "STOCHASTIC")  # numbered from 0


def _pool() -> descriptor_pool.DescriptorPool:
    """`SCHEMA` in a pool of its own, so that Caffe's caffe_pb2 can be imported in the same process."""
    field_type = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    methods = file.enum_type.add(name="PoolMethod")
    for number, method in enumerate(POOL_METHODS):
        methods.value.add(name=method, number=number)
    for message, body in re.findall(r"message (\w+) \{(.*?)\}", SCHEMA, re.DOTALL):
        fields = file.message_type.add(name=message).field
        for label, kind, name, number, packed in re.findall(r"(\w+) (\w+) (\w+) = (\d+)( \[packed)?", body):
            field = fields.add(name=name, number=int(number), label=f"LABEL_{label.upper()}")
            if kind[0].islower():
                field.type = field_type.Type.Value(f"TYPE_{kind.upper()}")
            else:
                field.type_name = f".caffe.{kind}"  # protobuf finds out whether this is a message or an enum
            if packed:
                field.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


POOL = _pool()
NetParameter: Any = message_factory.GetMessageClass(POOL.FindMessageTypeByName("caffe.NetParameter"))
UnpackedBlobProto: Any = message_factory.GetMessageClass(POOL.FindMessageTypeByName("caffe.UnpackedBlobProto"))
