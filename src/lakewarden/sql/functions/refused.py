"""Trino's functions that this engine does not have, and why. They are refused by name."""

_SKETCHES = "no sketch type here"
_GEOSPATIAL = "no geospatial types here"
_LEARNING = "no machine learning types here"
_HASH = "this hash is not offered by the engine"
_SESSION = "the engine keeps no session"
_LANGUAGE = "no language analysis here"
_STANDARD_JSON = "SQL/JSON; use json_extract and json_extract_scalar"

_GROUPS: tuple[tuple[str, str], ...] = (
    (
        _SKETCHES,
        "approx_set merge empty_approx_set qdigest_agg value_at_quantile values_at_quantiles quantile_at_value tdigest_agg "
        "merge_tdigest setdigest make_set_digest merge_set_digest intersection_cardinality jaccard_index hash_counts "
        "numeric_histogram classification_miss_rate classification_fall_out classification_precision "
        "classification_recall classification_thresholds reduce_agg theta_sketch_cardinality theta_sketch_union",
    ),
    (
        _GEOSPATIAL,
        "ST_AsBinary ST_AsText ST_GeometryFromText ST_GeomFromBinary ST_LineFromText ST_LineString ST_MultiPoint ST_Point "
        "ST_Polygon to_spherical_geography to_geometry ST_Contains ST_Crosses ST_Disjoint ST_Equals ST_Intersects "
        "ST_Overlaps ST_Relate ST_Touches ST_Within geometry_nearest_points geometry_union ST_Boundary ST_Buffer "
        "ST_Difference ST_Envelope ST_EnvelopeAsPts ST_ExteriorRing ST_Intersection ST_SymDifference ST_Union ST_Area "
        "ST_Centroid ST_ConvexHull ST_CoordDim ST_Dimension ST_Distance ST_GeometryN ST_InteriorRingN ST_GeometryType "
        "ST_IsClosed ST_IsEmpty ST_IsSimple ST_IsRing ST_IsValid ST_Length ST_PointN ST_Points ST_XMax ST_YMax ST_XMin "
        "ST_YMin ST_StartPoint simplify_geometry ST_EndPoint ST_X ST_Y ST_InteriorRings ST_NumGeometries ST_Geometries "
        "ST_NumInteriorRing line_locate_point line_interpolate_point line_interpolate_points geometry_invalid_reason "
        "great_circle_distance geometry_to_bing_tiles geometry_from_hadoop_shape spatial_partitions from_geojson_geometry "
        "to_geojson_geometry convex_hull_agg geometry_union_agg bing_tile bing_tile_at bing_tiles_around bing_tile_coordinates "
        "bing_tile_polygon bing_tile_quadkey bing_tile_zoom_level to_encoded_polyline from_encoded_polyline spatial_partitioning "
        "geometry_collect_agg ST_AsEWKB ST_AsEWKT ST_Collect ST_Force2D ST_Force3D ST_GeomFromEWKT ST_GeomFromKML ST_LineMerge "
        "ST_MakeLine ST_MakePolygon ST_MinimumBoundingCircle ST_Multi ST_Normalize ST_NumPoints ST_OrientedEnvelope "
        "ST_PointOnSurface ST_Polygonize ST_ReducePrecision ST_SetSRID ST_SRID ST_Transform ST_VoronoiPolygons ST_Z",
    ),
    (
        _LEARNING,
        "classify evaluate_classifier_predictions features learn_classifier learn_libsvm_classifier learn_libsvm_regressor "
        "learn_regressor regress",
    ),
    (
        _HASH,
        "crc32 hmac_md5 hmac_sha1 hmac_sha256 hmac_sha512 murmur3 sha512 spooky_hash_v2_32 spooky_hash_v2_64 xxhash64",
    ),
    (_SESSION, "current_user current_groups current_catalog current_schema version"),
    (_LANGUAGE, "word_stem"),
    (
        _STANDARD_JSON,
        "json_exists json_query json_value json_table json_array json_object json_objectagg json_arrayagg "
        "json_scalar json_serialize",
    ),
    (
        "not offered by this engine",
        "normal_cdf parse_duration checksum approx_most_frequent skewness entropy combinations "
        "bar color render rgb beta_cdf inverse_beta_cdf inverse_normal_cdf t_cdf t_pdf wilson_interval_lower "
        "wilson_interval_upper parse_data_size parse_presto_data_size from_ieee754_32 from_ieee754_64 to_ieee754_32 "
        "to_ieee754_64 to_char to_date to_timestamp char2hexint index from_base32 to_base32 timezone title_case "
        "overlay find_first find_first_index timestamp_objectid objectid_timestamp objectid",
    ),
)

REFUSED = {name.lower(): why for why, names in _GROUPS for name in names.split()}
"""Lower-case name -> reason."""
