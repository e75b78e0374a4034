"""The messages of caffe.proto with which the tests write and read weights and deploy.prototxt files.

This list of fields was made from the official one, independently of `networks.caffe.schema`, which it checks.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SCHEMA = {
    "NetParameter": [
        "optional string name 1", "repeated string input 3", "repeated BlobShape input_shape 8",
        "repeated int32 input_dim 4",
        "repeated V1LayerParameter layers 2", "repeated LayerParameter layer 100",
    ],
    "LayerParameter": [
        "optional string name 1", "optional string type 2", "repeated string bottom 3", "repeated string top 4",
        "repeated BlobProto blobs 7", "optional TransformationParameter transform_param 100",
        "optional ConvolutionParameter convolution_param 106", "optional InnerProductParameter inner_product_param 117",
        "optional LRNParameter lrn_param 118", "optional PoolingParameter pooling_param 121",
        "optional InputParameter input_param 143", "optional DataParameter data_param 107",
        "optional ImageDataParameter image_data_param 115", "optional WindowDataParameter window_data_param 129",
    ],
    "V1LayerParameter": [
        "repeated string bottom 2", "repeated string top 3", "optional string name 4", "optional int32 type 5",
        "repeated BlobProto blobs 6", "optional TransformationParameter transform_param 36",
        "optional DataParameter data_param 11", "optional ImageDataParameter image_data_param 15",
        "optional WindowDataParameter window_data_param 20", "optional V0LayerParameter layer 1",
    ],
    "V0LayerParameter": [
        "optional string name 1", "optional string type 2", "optional float scale 17", "optional string meanfile 18",
        "repeated BlobProto blobs 50",
    ],
    "DataParameter": ["optional string source 1", "optional float scale 2", "optional string mean_file 3"],
    "ImageDataParameter": ["optional string source 1", "optional float scale 2", "optional string mean_file 3"],
    "WindowDataParameter": ["optional string source 1", "optional float scale 2", "optional string mean_file 3"],
    "BlobProto": [
        "optional BlobShape shape 7", "packed float data 5", "packed float diff 6", "packed double double_data 8",
        "optional int32 num 1", "optional int32 channels 2", "optional int32 height 3", "optional int32 width 4",
        # of NVIDIA's fork:
        "optional int32 raw_data_type 10", "optional int32 raw_diff_type 11", "optional bytes raw_data 12",
        "optional bytes raw_diff 13",
    ],
    "BlobShape": ["packed int64 dim 1"],
    "TransformationParameter": [
        "optional float scale 1", "optional uint32 crop_size 3", "optional string mean_file 4",
        "repeated float mean_value 5",
    ],
    "InputParameter": ["repeated BlobShape shape 1"],
    "ConvolutionParameter": [
        "optional uint32 num_output 1", "optional uint32 pad 3", "optional uint32 kernel_size 4",
        "optional uint32 group 5", "optional uint32 stride 6",
    ],
    "InnerProductParameter": ["optional uint32 num_output 1"],
    "LRNParameter": ["optional uint32 local_size 1", "optional float alpha 2", "optional float beta 3"],
    "PoolingParameter": ["optional PoolMethod pool 1", "optional uint32 kernel_size 2", "optional uint32 stride 3"],
}  # fmt: skip

FIELD = descriptor_pb2.FieldDescriptorProto


def _schema():
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    method = file.enum_type.add(name="PoolMethod")
    for number, name in enumerate(["MAX", "AVE", "STOCHASTIC"]):
        method.value.add(name=name, number=number)
    for message, fields in SCHEMA.items():
        described = file.message_type.add(name=message)
        for label, kind, name, number in map(str.split, fields):
            field = described.field.add(name=name, number=int(number))
            field.label = FIELD.LABEL_OPTIONAL if label == "optional" else FIELD.LABEL_REPEATED
            field.options.packed = label == "packed"
            if hasattr(FIELD, f"TYPE_{kind.upper()}"):
                field.type = getattr(FIELD, f"TYPE_{kind.upper()}")
            else:
                field.type = FIELD.TYPE_ENUM if kind == "PoolMethod" else FIELD.TYPE_MESSAGE
                field.type_name = f".caffe.{kind}"
            if label != "packed":
                field.ClearField("options")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


NetParameter = message_factory.GetMessageClass(_schema().FindMessageTypeByName("caffe.NetParameter"))
